"""Everything a stage or a command works with, opened from one home folder."""

from dataclasses import dataclass
from pathlib import Path

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.registry import CorpusRegistry
from sdg_assets.settings import (
    HOME_VARIABLE,
    Settings,
    SettingsError,
    home_folder,
    load_settings,
)
from sdg_assets.storage.blobs import BlobStore
from sdg_assets.storage.lake import Lake, LakeConfig
from sdg_assets.storage.ledger import Ledger

# What `sdg` finds or makes in a home folder.
_OF_A_HOME = ("sdg.yaml", "corpora", "lake", "landing", "dagster")


@dataclass(frozen=True, slots=True)
class Workspace:
    home: Path
    settings: Settings
    corpora: CorpusRegistry
    lake: Lake
    blobs: BlobStore
    ledger: Ledger

    @property
    def trainings(self) -> Path:
        """Holds a folder for each training under way, or stopped on its way."""
        return self.home / "training"

    def corpus(self, name: str) -> CorpusConfig:
        return self.corpora.get(name)


def open_workspace(home: Path | None = None, *, read_only: bool = False) -> Workspace:
    """The workspace of ``home`` (default: ``$SDG_HOME`` or ``.sdg``); nothing is created yet.

    Args:
        read_only: only to look at what is there; the lake refuses to be written.

    Raises:
        SettingsError: its ``sdg.yaml`` is wrong; or it is to be read only, and is not there.
        LakeError: the catalog cannot be reached.
    """
    home = require_home(home) if read_only else home or home_folder()
    settings = load_settings(home)
    lake = Lake(LakeConfig(settings.catalog, settings.data_url), read_only=read_only)
    return Workspace(
        home=home,
        settings=settings,
        corpora=CorpusRegistry(home / "corpora"),
        lake=lake,
        blobs=BlobStore(settings.blobs_url),
        ledger=Ledger(lake),
    )


def require_home(home: Path | None = None) -> Path:
    """The home folder, which is there already.

    Raises:
        SettingsError: it is not; says where it was looked for.
    """
    home = home or home_folder()
    if not any((home / name).exists() for name in _OF_A_HOME):
        raise SettingsError(
            f"there is no home at {home}: go to the folder that holds your .sdg, or name it with "
            f"--home or ${HOME_VARIABLE}; `sdg demo` and `sdg corpora register` begin a new one"
        )
    return home
