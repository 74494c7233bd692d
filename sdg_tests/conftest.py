"""Fixtures that every test may use."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything reads it: no test asks a model hub, and what is not on disk fails at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from sdg_tests import postgres
from sdg_tests.homes import live_in

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
    live_in(folder, monkeypatch)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with postgres.run_server(binaries) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty database."""
    binaries = postgres.find_binaries()
    assert binaries is not None
    return postgres.create_database(binaries, postgres_server)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 6 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tiny disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
