"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data; a test that asks for it is skipped where it is absent."""
    folder = Path(os.environ.get("SDG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set SDG_SHARED_DATA)")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, as ``$SDG_HOME``."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SDG_HOME", str(folder))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return folder
