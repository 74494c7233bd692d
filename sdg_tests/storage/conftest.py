"""Lakes on both kinds of catalog."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from sdg_assets.storage.lake import Lake, LakeConfig
from sdg_tests import s3


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
