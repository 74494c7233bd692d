"""The registered corpora: one YAML file each in a folder that a person may read and edit."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig, load_corpus


class UnknownCorpusError(CorpusError):
    """No corpus of that name is registered."""


@dataclass(frozen=True, slots=True)
class CorpusRegistry:
    folder: Path

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def get(self, name: str) -> CorpusConfig:
        """
        Raises:
            UnknownCorpusError: no such corpus; says which there are and how to add one.
            CorpusError: its file is wrong.
        """
        path = self.folder / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(self.names()) or "none yet"
            raise UnknownCorpusError(
                f"no corpus {name!r} is registered in {self.folder} (registered: {known}); "
                "write its YAML file and run `sdg corpora register FILE`"
            )
        return load_corpus(path)

    def find(self, name: str) -> CorpusConfig | None:
        """The corpus of that name, where one is registered.

        Raises:
            CorpusError: its file is wrong.
        """
        return self.get(name) if name in self.names() else None

    def all(self) -> dict[str, CorpusConfig]:
        return {name: self.get(name) for name in self.names()}

    def register(self, config: CorpusConfig) -> Path:
        """Write ``config``, replacing an older one of that name; returns its file.

        Paths inside the home folder are written as seen from the file: the home may be moved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{config.name}.yaml"
        draft = path.with_suffix(".tmp")
        values = config.model_dump(mode="json", exclude_none=True)
        if config.reader is not None:
            values["reader"]["path"] = self._make_relative(values["reader"]["path"])
        draft.write_text(
            yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        os.replace(draft, path)
        return path

    def remove(self, name: str) -> Path:
        """Delete the file of a registered corpus; returns where it was."""
        path = self.folder / f"{name}.yaml"
        path.unlink()
        return path

    def _make_relative(self, path: Any) -> Any:
        """A path, or one for each split."""
        if isinstance(path, dict):
            return {split: self._make_relative(each) for split, each in path.items()}
        home = self.folder.absolute().parent
        return os.path.relpath(path, self.folder) if path.startswith(f"{home}/") else path
