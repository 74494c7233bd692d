"""Where the lake's transactions are kept, and how its writers take turns.

DuckLake commits optimistically. Two writers on one SQLite file collide with "database is locked",
two on PostgreSQL with a conflict, and either would have to do its work again. So a writer holds
one lock per lake for the length of its transaction. Readers never take it.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
from filelock import FileLock

from sdg_assets.storage.errors import LakeError

LOCK_SECONDS = 900  # longer than any one write; a writer that waits longer is told so
_ADVISORY_LOCK = 0x5D61AC  # any number that no other program takes in this database
_POSTGRES = ("postgres://", "postgresql://")


class Catalog(Protocol):
    @property
    def extension(self) -> str:
        """The DuckDB extension that reads it."""
        ...

    @property
    def uri(self) -> str:
        """What follows ``ducklake:`` in ``ATTACH``."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """Further options of ``ATTACH``."""
        ...

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make ready what the lock needs, before anything is attached."""
        ...

    def moved_with(self, data_path: str) -> bool:
        """Whether the lake's files are where they were, as seen from the catalog.

        Then the path that the catalog holds may be out of date, since both were moved or copied
        together, and ``data_path`` is right.
        """
        ...

    def lock(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Be the lake's only writer, among all threads, processes and machines."""
        ...


@dataclass(frozen=True, slots=True)
class SQLiteCatalog:
    """A file on a local disk (network file systems do not lock reliably)."""

    path: Path
    extension = "sqlite_scanner"
    options = ("META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 10000")

    @property
    def uri(self) -> str:
        return f"sqlite:{self.path}"

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def moved_with(self, data_path: str) -> bool:
        below = os.path.relpath(data_path, self.path.parent)
        if not os.path.isabs(data_path) or below.startswith(os.pardir):
            return False
        recorded = self._read_data_path()
        return recorded is not None and recorded.rstrip("/").endswith(f"/{below}")

    def _read_data_path(self) -> str | None:
        """The absolute path that DuckLake wrote down when the lake was made."""
        if not self.path.exists():
            return None
        with suppress(sqlite3.Error), closing(sqlite3.connect(self.path)) as catalog:
            query = "SELECT value FROM ducklake_metadata WHERE key = 'data_path'"
            found: tuple[str] | None = catalog.execute(query).fetchone()
            return found and found[0]
        return None

    @contextmanager
    def lock(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        # A lock object per write: the operating system then tells threads apart as well.
        with FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS, poll_interval=0.01):
            yield


@dataclass(frozen=True, slots=True)
class PostgresCatalog:
    """A database of its own on a PostgreSQL server; ``dsn`` is whatever libpq accepts."""

    dsn: str
    extension = "postgres_scanner"
    options = ()

    @property
    def uri(self) -> str:
        return f"postgres:{self.dsn}"

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            f"ATTACH IF NOT EXISTS {quote_text(self.dsn)} AS writers (TYPE postgres, READ_ONLY)"
        )

    def moved_with(self, data_path: str) -> bool:
        return False

    @contextmanager
    def lock(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        # The lock lives as long as this transaction; the server drops it if we die.
        with begin(connection) as turn:
            milliseconds = int(LOCK_SECONDS * 1000)
            for statement in (
                f"SELECT set_config('lock_timeout', '{milliseconds}', true)",
                f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK}) IS NULL",
            ):
                turn.execute(f"CALL postgres_query('writers', {quote_text(statement)})").fetchall()
            yield


@contextmanager
def begin(
    connection: duckdb.DuckDBPyConnection, mode: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor in a transaction, which is rolled back unless the caller commits it."""
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN TRANSACTION {mode}")
        try:
            yield cursor
        finally:
            # Never left to closing: if that cannot roll back (the server is gone), DuckDB aborts
            # the whole process.
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")


def parse_catalog(catalog: str) -> Catalog:
    """``sqlite:///absolute/path``, ``sqlite:relative/path``, ``postgresql://...`` or a libpq DSN.

    Raises:
        LakeError: it is none of these.
    """
    if catalog.startswith("sqlite:"):
        path = re.sub("^/{2,}", "/", catalog.removeprefix("sqlite:"))
        return SQLiteCatalog(Path(path).absolute())
    if catalog.startswith(_POSTGRES) or re.match(r"\w+\s*=", catalog):
        return PostgresCatalog(catalog)
    raise LakeError(
        f"The catalog {hide_password(catalog)!r} is neither sqlite:///path, postgresql://... nor a"
        " libpq connection string such as 'host=... dbname=...'."
    )


def quote_text(text: str) -> str:
    """As an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def hide_password(text: str) -> str:
    """For error messages, which end up in logs and in the web UI."""
    text = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", text)
    return re.sub(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", r"\1***", text, flags=re.I)
