"""A real PostgreSQL server for tests, in a temporary folder, where its binaries are installed."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdg_tests.ports import find_free_port

USER = "sdg"


def find_binaries() -> Path | None:
    """The folder of the newest installed server; Debian keeps it off the PATH."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    candidates = ([Path(on_path)] if on_path else []) + found
    return candidates[-1].parent if candidates else None


@contextmanager
def run_server(binaries: Path) -> Iterator[str]:
    """Start a server on a free local port; yields the URL to which a database's name is added."""
    # The server refuses to run as root; the Debian package makes this user.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="sdg-postgres-"))
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", find_free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    try:
        _run([binaries / "initdb", "-D", data, "-A", "trust", "-U", USER, "-E", "UTF8"], user)
        _run([*control, "-o", options, "start"], user)
        with _stop_after_us([*control, "-m", "immediate", "stop"], user):
            yield f"postgresql://{USER}@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder)


def create_database(binaries: Path, server: str) -> str:
    """A fresh database on ``server``; returns its URL."""
    name = f"test_{uuid.uuid4().hex}"
    _run([binaries / "psql", "-q", f"{server}/postgres", "-c", f"CREATE DATABASE {name}"], None)
    return f"{server}/{name}"


@contextmanager
def _stop_after_us(stop: list[str | Path], user: str | None) -> Iterator[None]:
    """Run ``stop`` afterwards, also when this process is killed: its end of the pipe closes."""
    leash = ["sh", "-c", 'cat; exec "$@"', "sh", *stop]
    with subprocess.Popen(
        leash, user=user, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as guard:
        try:
            yield
        finally:
            guard.communicate(timeout=120)


def _run(command: list[str | Path], user: str | None) -> None:
    # Not through pipes: the server would inherit them and they would never close.
    subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=120)
