"""Fixtures that every test may use."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import settings

# Before anything reads it: no test asks a model hub, and what is not on disk fails at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from sdg_tests import postgres, s3
from sdg_tests.homes import live_in

# No test is timed: another may have the processor just then.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONGEST = ("test_demo.py", "test_server.py")  # files whose one test takes minutes
REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, where several are run at a time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    program = s3.find_server()
    if program is None:
        pytest.skip("no moto_server is on the PATH (pipx install 'moto[server]')")
    with s3.run_server(program) as url:
        yield url


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, with the environment set for it."""
    for name, value in {**s3.CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{uuid.uuid4().hex}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
    return f"s3://{bucket}/prefix"


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
