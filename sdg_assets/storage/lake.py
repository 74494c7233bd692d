"""The lake: every table of :mod:`~sdg_assets.storage.tables`, in DuckLake.

DuckDB is the engine, Parquet files hold the rows, a catalog holds the transactions. A write is one
transaction: readers in other threads, processes and machines see all of it or none, and each
commit is a *version* (a DuckLake snapshot id) that can be read again later.
"""

import os
import re
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import duckdb
import filelock
import pyarrow as pa

from sdg_assets.storage.catalogs import begin, hide_password, parse_catalog, quote_text
from sdg_assets.storage.errors import LakeError as LakeError
from sdg_assets.storage.migrations import list_migrations, list_sql_types, migrate
from sdg_assets.storage.statements import check_query
from sdg_assets.storage.tables import TABLES
from sdg_assets.storage.validation import check_agreement, check_columns, check_rows, find_schema

Where = Mapping[str, str | Sequence[str]]

# Nothing is ever downloaded.
_SETTINGS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}

_COMPACT_BELOW = 16 * 10**6  # bytes

# What DuckDB says (in lower case), and what to do about it.
_FULL = ("no space left", "disk is full", "file too large")
_ADVICE = {
    **dict.fromkeys(_FULL, "The disk is full: free some space, then run it again."),
    "disk i/o error": "The catalog's disk is full or failing: free some space, then run it again.",
    "permission denied": "Make the folder writable for this user.",
    "read-only file system": "Make the folder writable for this user.",
    "unable to connect": "Check that the catalog's server runs and that its address is right.",
    "no snapshot found": "That version never was, or has been removed by garbage collection.",
    "does not match existing data path": "Set the data URL to the one that the lake was made with.",
    "table with name": f"The tables are {', '.join(sorted(TABLES))}.",
    "lock timeout": "Another writer has held the lake for very long: look for a run that hangs.",
}
_SYSTEM_TABLE = re.compile(r'Did you mean "(?:pg|duckdb|sqlite)_\w+[^\n]*\n')


@dataclass(frozen=True, slots=True)
class LakeConfig:
    """Where a lake lives.

    ``catalog`` is ``sqlite:///path`` or a PostgreSQL URL or DSN. ``data_url`` is a folder or
    ``s3://bucket/prefix``; S3 credentials and endpoint come from the usual ``AWS_*`` variables.
    """

    catalog: str
    data_url: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """``rows`` in place of every row of ``table`` that agrees with ``where`` in all its columns."""

    table: str
    rows: pa.Table
    where: Mapping[str, str]


class Lake:
    """The tables of one lake. Threads may share it; a forked process opens its own connection."""

    def __init__(self, config: LakeConfig, *, read_only: bool = False) -> None:
        """
        Args:
            read_only: attach it so that DuckLake itself refuses to write, for queries that a
                person typed.

        Raises:
            LakeError: the catalog is of no known kind.
        """
        self.config = config
        self.read_only = read_only
        self._catalog = parse_catalog(config.catalog)
        # By process id: what was inherited through a fork must be neither used nor closed, so it
        # stays here under its owner's id.
        self._connections: dict[int, duckdb.DuckDBPyConnection] = {}
        self._opening: dict[int, threading.Lock] = {}

    def replace(self, *replacements: Replacement) -> int:
        """Make all the replacements in one transaction.

        Returns:
            The version that holds them.

        Raises:
            LakeError: rows do not fit the table or disagree with ``where``, or the lake could
                not be written. Nothing was changed.
        """
        checked = [check_rows(replacement.table, replacement.rows) for replacement in replacements]
        for replacement, rows in zip(replacements, checked, strict=True):
            check_agreement(replacement.table, rows, replacement.where)
        tables = ", ".join(replacement.table for replacement in replacements)
        with self.writing(f"replace rows of {tables}") as cursor:
            for replacement, rows in zip(replacements, checked, strict=True):
                condition, values = build_condition(replacement.where)
                cursor.execute(f"DELETE FROM lake.{replacement.table} WHERE {condition}", values)
                _insert(cursor, replacement.table, rows)
            cursor.execute("COMMIT")
            return _fetch_snapshot(cursor)

    def append(self, table: str, rows: pa.Table) -> None:
        """Add rows to ``table``.

        Raises:
            LakeError: rows do not fit the table, or the lake could not be written.
        """
        checked = check_rows(table, rows)
        with self.writing(f"append to {table}") as cursor:
            _insert(cursor, table, checked)
            cursor.execute("COMMIT")

    def read(
        self,
        table: str,
        *,
        where: Where | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        order_by: Sequence[str] = (),
    ) -> pa.Table:
        """The rows that agree with ``where`` (a value, or any of several), now or at ``version``.

        Columns have the types and, unless ``columns`` says otherwise, the order of ``TABLES``.
        A column that a version did not have yet is null, a table empty. Without ``order_by`` the
        order of rows is unspecified.

        Raises:
            LakeError: there is no such table, column or version, or the lake cannot be read.
        """
        schema = find_schema(table)
        names = list(schema.names if columns is None else columns)
        check_columns(table, [*names, *(where or {}), *order_by])
        condition, values = build_condition(where or {})
        order = f" ORDER BY {_quote_names(order_by)}" if order_by else ""
        with self._session(f"read {table}") as cursor:
            source = f"lake.{table}" if version is None else _read_version(cursor, table, version)
            statement = f"SELECT {_quote_names(names)} FROM {source} WHERE {condition}{order}"
            rows = cursor.execute(statement, values).to_arrow_table()
        return rows.cast(pa.schema([schema.field(name) for name in names]))

    def query(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        tables: Mapping[str, pa.Table] | None = None,
    ) -> pa.Table:
        """The result of one read-only SQL statement, which calls tables by their bare names.

        ``tables`` are further ones that it may join with.

        >>> lake.query("SELECT count(*) AS n FROM raw_audio AT (VERSION => 7)")  # doctest: +SKIP

        Raises:
            LakeError: it is wrong, more than one statement or one that would write, or the lake
                cannot be read.
        """
        with self._reading(sql, tables or {}) as cursor:
            return cursor.execute(sql, params).to_arrow_table()

    def stream(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        tables: Mapping[str, pa.Table] | None = None,
        batch_rows: int = 1024,
    ) -> Iterator[pa.RecordBatch]:
        """Like :meth:`query`, a batch of rows at a time, for results larger than memory."""
        with self._reading(sql, tables or {}) as cursor:
            yield from cursor.execute(sql, params).to_arrow_reader(batch_rows)

    def snapshot(self) -> int:
        """The version that a reader sees now."""
        with self._session("read the current version") as cursor:
            return _fetch_snapshot(cursor)

    def version_exists(self, version: int) -> bool:
        """Whether ``version`` can still be read."""
        with self._session("look for a version") as cursor:
            cursor.execute(
                "SELECT count(*) FROM ducklake_snapshots('lake') WHERE snapshot_id = ?", [version]
            )
            return _fetch_integer(cursor) > 0

    def compact(self, table: str) -> None:
        """Merge the small files that many appends have left; every version stays as it is.

        Files of 16 MB and more are left alone, so nothing is rewritten for ever.
        """
        find_schema(table)
        with self.writing(f"compact {table}") as cursor:
            cursor.execute(
                "CALL ducklake_merge_adjacent_files('lake', ?, max_file_size => ?)",
                [table, _COMPACT_BELOW],
            )
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()

    @contextmanager
    def writing(self, action: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction, as the lake's only writer; the caller commits.

        ``action`` says in an error message what could not be done.
        """
        if self.read_only:
            raise LakeError(f"Could not {action}: this lake was opened read-only.")
        with self._session(action) as session, self._catalog.lock(session):
            try:
                with begin(session) as cursor:
                    yield cursor
            except duckdb.Error as error:
                if _is_full(error):
                    _remove_orphans(session)
                raise

    @contextmanager
    def _reading(
        self, sql: str, tables: Mapping[str, pa.Table]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._session("query") as session, begin(session, "READ ONLY") as cursor:
            check_query(sql)
            cursor.execute("USE lake")
            for name, table in tables.items():
                cursor.register(name, table)
            yield cursor

    @contextmanager
    def _session(self, action: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of this process's connection; closing it rolls back what was not committed."""
        try:
            with self._connect().cursor() as cursor:
                yield cursor
        except (duckdb.Error, filelock.Timeout, OSError) as error:
            if not isinstance(error, duckdb.ProgrammingError):
                # It may be the connection that is broken, or credentials that have expired: the
                # next call opens another.
                self._connections.pop(os.getpid(), None)
            # Without its cause, whose message may hold a password.
            raise self._explain(action, error) from None

    def _explain(self, action: str, error: Exception) -> LakeError:
        said = _SYSTEM_TABLE.sub("", hide_password(str(error))).strip()
        if isinstance(error, filelock.Timeout):
            said = f"lock timeout: {said}"
        advice = [advice for words, advice in _ADVICE.items() if words in said.lower()]
        where = hide_password(self.config.catalog)
        return LakeError(" ".join([f"Could not {action} in the lake {where}: {said}", *advice[:1]]))

    def _connect(self) -> duckdb.DuckDBPyConnection:
        process = os.getpid()
        with self._opening.setdefault(process, threading.Lock()):
            if process not in self._connections:
                self._connections[process] = self._open()
            return self._connections[process]

    def _open(self) -> duckdb.DuckDBPyConnection:
        # Made when a query outgrows memory, removed on closing; never shared, or files would clash.
        spill = os.path.join(tempfile.gettempdir(), f"sdg-duckdb-{uuid.uuid4().hex}")
        connection = duckdb.connect(config={**_SETTINGS, "temp_directory": spill})
        remote = urlsplit(self.config.data_url).scheme == "s3"
        for extension in ("ducklake", self._catalog.extension, *(["httpfs"] if remote else [])):
            connection.execute(f"LOAD {quote_text(_locate_extension(extension))}")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        if remote:
            connection.execute(_build_s3_secret())
        if self.read_only:
            # A writer makes it first, or brings it up to date.
            with closing(Lake(self.config)) as writer:
                writer.snapshot()
            connection.execute(self._build_attach(create=False))
            return connection
        self._catalog.prepare(connection)
        self._attach(connection)
        if list_migrations(connection):
            with self._catalog.lock(connection):
                migrate(connection)
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute(self._build_attach(create=False))
        except duckdb.Error:
            # Not made yet, or another process is making it just now.
            with self._catalog.lock(connection):
                connection.execute(self._build_attach(create=True))

    def _build_attach(self, *, create: bool) -> str:
        data_path = _resolve_data_path(self.config.data_url)
        options = (
            *(["READ_ONLY"] if self.read_only else []),
            f"DATA_PATH {quote_text(data_path)}",
            f"OVERRIDE_DATA_PATH {self._catalog.moved_with(data_path)}",
            f"CREATE_IF_NOT_EXISTS {create}",
            # Rows always go to Parquet, however few: the catalog stays small.
            "DATA_INLINING_ROW_LIMIT 0",
            *self._catalog.options,
        )
        uri = quote_text(f"ducklake:{self._catalog.uri}")
        return f"ATTACH {uri} AS lake ({', '.join(options)})"


def _locate_extension(name: str) -> str:
    folder = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}"
    return str(folder / f"{name}.duckdb_extension")


def _resolve_data_path(data_url: str) -> str:
    parts = urlsplit(data_url)
    if parts.scheme == "s3":
        return data_url
    return os.path.abspath(parts.path if parts.scheme == "file" else data_url)


def _build_s3_secret() -> str:
    try:
        from botocore.session import Session
    except ImportError as error:
        raise LakeError(
            "s3:// needs the packages of the extra `s3`: python -m pip install -e '.[s3]'"
        ) from error

    credentials = Session().get_credentials()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    options = {"REGION": region}
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options |= {"KEY_ID": frozen.access_key, "SECRET": frozen.secret_key}
        options |= {"SESSION_TOKEN": frozen.token} if frozen.token else {}
    if endpoint:
        parts = urlsplit(endpoint)
        ssl = "true" if parts.scheme == "https" else "false"
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path", "USE_SSL": ssl}
    stated = ", ".join(f"{name} {quote_text(value)}" for name, value in options.items())
    return f"CREATE OR REPLACE SECRET lake_data (TYPE s3, {stated})"


def _is_full(error: duckdb.Error) -> bool:
    return any(words in str(error).lower() for words in _FULL)


def _remove_orphans(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the half-written files of a failed write, or the disk would stay full.

    Only under the lock: the files of another write under way would be orphans as well.
    """
    with suppress(duckdb.Error):  # the error that led here is the one to report
        connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)")


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    if rows.num_rows:
        cursor.register("incoming", rows)
        cursor.execute(f"INSERT INTO lake.{table} BY NAME FROM incoming")
        cursor.unregister("incoming")


def build_condition(where: Where) -> tuple[str, list[str]]:
    """An SQL condition and its values, in order."""
    terms = ["true"]
    values: list[str] = []
    for name, wanted in where.items():
        options = [wanted] if isinstance(wanted, str) else list(wanted)
        terms.append(f'"{name}" IN ({", ".join("?" * len(options))})' if options else "false")
        values.extend(options)
    return " AND ".join(terms), values


def _read_version(cursor: duckdb.DuckDBPyConnection, table: str, version: int) -> str:
    """A ``FROM`` item: the table at ``version``, with whatever it lacked then as null."""
    source = f"lake.{table} AT (VERSION => {version:d})"
    types = list_sql_types(cursor, TABLES[table])
    try:
        present = cursor.sql(f"FROM {source} LIMIT 0").columns
    except duckdb.CatalogException:  # the version is there, but the table came later
        present, source = [], "range(0)"
    columns = [
        f'"{name}"' if name in present else f'NULL::{data_type} AS "{name}"'
        for name, data_type in types.items()
    ]
    return f"(SELECT {', '.join(columns)} FROM {source})"


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _fetch_snapshot(cursor: duckdb.DuckDBPyConnection) -> int:
    cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')")
    return _fetch_integer(cursor)


def _fetch_integer(cursor: duckdb.DuckDBPyConnection) -> int:
    row: Any = cursor.fetchone()
    return int(row[0])
