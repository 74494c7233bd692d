"""Many processes at one lake, killed processes, full disks."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sdg_assets.storage.lake import Lake, LakeConfig, LakeError
from sdg_tests.postgres import find_binaries
from sdg_tests.storage import workers
from sdg_tests.storage.conftest import sqlite_config
from sdg_tests.storage.rows import replace_quarantine, replace_transcripts

WRITERS, READERS, ROUNDS = 4, 1, 5


def test_four_processes_create_one_lake(config: LakeConfig) -> None:
    gate = workers.SPAWN.Barrier(4)
    workers.finish(*(workers.start(workers.create, config, gate) for _ in range(4)))
    tables = Lake(config).query("SELECT table_name FROM ducklake_table_info('lake')")
    assert tables.num_rows == len(set(tables.column(0).to_pylist()))


def test_nothing_is_lost_or_torn_among_processes(config: LakeConfig) -> None:
    gate = workers.SPAWN.Barrier(WRITERS + READERS)
    done = workers.SPAWN.Event()
    readers = [workers.start(workers.read, config, gate, done) for _ in range(READERS)]
    writers = [
        workers.start(workers.write, config, number, ROUNDS, gate) for number in range(WRITERS)
    ]
    workers.finish(*writers)
    done.set()
    workers.finish(*readers)

    lake = Lake(config)
    workers.assert_whole(lake)
    stamps = lake.query("SELECT DISTINCT corpus, text FROM transcripts").to_pylist()
    last = {row["corpus"]: row["text"] for row in stamps}
    own = {f"own-{number}": f"{number}/{ROUNDS - 1}" for number in range(WRITERS)}
    assert last == {**own, "shared": last["shared"]}
    versions = lake.query("SELECT count(*) AS n FROM ducklake_snapshots('lake')").to_pylist()
    assert versions[0]["n"] == 2 + WRITERS * ROUNDS * 2  # empty, tables made, replacements


def test_kill_before_commit_leaves_the_old_rows(config: LakeConfig) -> None:
    lake = Lake(config)
    before = lake.replace(replace_transcripts("shared", "en", ["old"]))
    victim = workers.start(workers.die_before_commit, config)
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    assert lake.snapshot() == before
    assert lake.read("transcripts").column("text").to_pylist() == ["old"]
    assert lake.replace(replace_transcripts("shared", "en", ["new"])) == before + 1


def test_kill_at_any_moment_leaves_whole_rows(config: LakeConfig) -> None:
    lake = Lake(config)
    chance = random.Random(7)
    for _ in range(3):
        before = lake.snapshot()
        ready = workers.SPAWN.Event()
        victim = workers.start(workers.replace_for_ever, config, ready)
        assert ready.wait(60)
        time.sleep(chance.uniform(0.0, 0.1))
        victim.kill()
        victim.join(60)
        workers.assert_whole(lake)
        assert lake.snapshot() > before
        lake.replace(
            replace_transcripts("shared", "en", ["x"] * workers.ROWS),
            replace_quarantine("shared", "en", ["x"] * workers.ROWS),
        )


def test_a_file_size_limit_leaves_the_old_rows(tmp_path: Path) -> None:
    config, said = sqlite_config(tmp_path), tmp_path / "said"
    lake = Lake(config)
    lake.replace(replace_transcripts("a", "en", ["old"]))
    workers.finish(workers.start(workers.replace_with_file_limit, config, 500_000, said))
    assert "free some space" in said.read_text()
    assert lake.read("transcripts").column("text").to_pylist() == ["old"]


def test_a_full_disk_leaves_the_old_rows_and_recovers(tiny_disk: Path) -> None:
    lake = Lake(sqlite_config(tiny_disk))
    lake.replace(replace_transcripts("a", "en", ["old"]))
    with pytest.raises(LakeError, match="disk is full: free some space"):
        lake.replace(replace_transcripts("a", "en", (os.urandom(500).hex() for _ in range(20_000))))
    assert lake.read("transcripts").column("text").to_pylist() == ["old"]

    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(_free(tiny_disk)))
    with pytest.raises(LakeError, match="free some space"):
        lake.replace(replace_transcripts("a", "en", ["new"]))
    filler.unlink()
    assert lake.read("transcripts").column("text").to_pylist() == ["old"]
    lake.replace(replace_transcripts("a", "en", ["new"]))
    assert lake.read("transcripts").column("text").to_pylist() == ["new"]


def test_a_catalog_that_fills_up_while_writing_is_unharmed(tiny_disk: Path) -> None:
    """With ever more room, the commit gets ever further before the disk is full."""
    lake = Lake(sqlite_config(tiny_disk))
    lake.replace(replace_transcripts("a", "en", ["old"]))
    filler = tiny_disk / "filler"
    failures = 0
    for room in range(32, 256, 16):
        filler.write_bytes(bytes(_free(tiny_disk) - room * 1024))
        error = _try_to_replace(lake, f"new {room}")
        filler.unlink()
        found = set(lake.read("transcripts").column("text").to_pylist())
        assert found == ({"old"} if error else {f"new {room}"})
        assert error is None or "free some space" in error
        failures += error is not None
        lake.replace(replace_transcripts("a", "en", ["old"]))
    assert 0 < failures < 14


def _try_to_replace(lake: Lake, text: str) -> str | None:
    """What the error said, if there was one."""
    try:
        lake.replace(replace_transcripts("a", "en", [text] * 50))
    except LakeError as error:
        return str(error)
    return None


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def test_a_writer_waits_for_its_turn(config: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdg_assets.storage.catalogs.LOCK_SECONDS", 0.2)
    lake, other = Lake(config), Lake(config)
    with lake.writing("hold the lock"), pytest.raises(LakeError, match="look for a run that hangs"):
        other.replace(replace_transcripts("a", "en", ["x"]))
    other.replace(replace_transcripts("a", "en", ["x"]))


def cut_connections(url: str) -> None:
    server, _, database = url.rpartition("/")
    psql = [find_binaries() / "psql", "-q", f"{server}/postgres", "-c"]  # type: ignore[operator]
    statement = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    subprocess.run([*psql, statement], check=True, stdout=subprocess.DEVNULL)


def test_a_cut_connection_is_opened_anew(postgres_url: str, tmp_path: Path) -> None:
    lake = Lake(LakeConfig(postgres_url, str(tmp_path)))
    lake.replace(replace_transcripts("a", "en", ["old"]))
    cut_connections(postgres_url)
    _try_to_replace(lake, "new")  # may find the connection dead
    assert _try_to_replace(lake, "newer") is None
    assert lake.read("transcripts").column("text").to_pylist() == ["newer"] * 50


def test_a_connection_cut_in_the_middle_is_an_error(postgres_url: str, tmp_path: Path) -> None:
    lake = Lake(LakeConfig(postgres_url, str(tmp_path)))
    lake.replace(replace_transcripts("a", "en", ["old"]))
    with pytest.raises(LakeError), lake.writing("replace") as cursor:  # noqa: PT012
        cursor.execute("DELETE FROM lake.transcripts")
        cut_connections(postgres_url)
        cursor.execute("COMMIT")
    with pytest.raises(LakeError), lake._reading("FROM transcripts", {}) as cursor:  # noqa: PT012
        cursor.execute("FROM transcripts")
        cut_connections(postgres_url)
        cursor.execute("FROM quarantine")
    assert lake.read("transcripts").column("text").to_pylist() == ["old"]
