"""Lakes on both kinds of catalog."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdg_assets.storage.lake import Lake, LakeConfig


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> LakeConfig:
    """A lake that does not exist yet, on each kind of catalog."""
    if request.param == "postgres":
        return LakeConfig(request.getfixturevalue("postgres_url"), str(tmp_path / "data"))
    return sqlite_config(tmp_path)


@pytest.fixture
def lake(config: LakeConfig) -> Iterator[Lake]:
    lake = Lake(config)
    yield lake
    lake.close()


@pytest.fixture
def sqlite_lake(tmp_path: Path) -> Iterator[Lake]:
    """Where the kind of catalog makes no difference."""
    lake = Lake(sqlite_config(tmp_path))
    yield lake
    lake.close()


def sqlite_config(folder: Path) -> LakeConfig:
    return LakeConfig(f"sqlite:///{folder}/catalog.sqlite", str(folder / "data"))
