"""Everything a stage or a command works with, opened from one home folder."""

from dataclasses import dataclass
from pathlib import Path

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.registry import CorpusRegistry
from sdg_assets.settings import Settings, home_folder, load_settings
from sdg_assets.storage.blobs import BlobStore
from sdg_assets.storage.lake import Lake, LakeConfig
from sdg_assets.storage.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Workspace:
    home: Path
    settings: Settings
    corpora: CorpusRegistry
    lake: Lake
    blobs: BlobStore
    ledger: Ledger

    def corpus(self, name: str) -> CorpusConfig:
        return self.corpora.get(name)


def open_workspace(home: Path | None = None) -> Workspace:
    """The workspace of ``home`` (default: ``$SDG_HOME`` or ``.sdg``); nothing is created yet.

    Raises:
        SettingsError: its ``sdg.yaml`` is wrong.
        LakeError: the catalog cannot be reached.
    """
    home = home or home_folder()
    settings = load_settings(home)
    lake = Lake(LakeConfig(catalog=settings.catalog, data_url=settings.data_url))
    return Workspace(
        home=home,
        settings=settings,
        corpora=CorpusRegistry(home / "corpora"),
        lake=lake,
        blobs=BlobStore(settings.blobs_url),
        ledger=Ledger(lake),
    )
