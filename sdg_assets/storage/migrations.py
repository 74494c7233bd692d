"""Bringing a new or older lake to the tables of this release: tables and columns are only added."""

from collections import defaultdict
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from sdg_assets.storage.catalogs import begin
from sdg_assets.storage.errors import LakeError
from sdg_assets.storage.tables import TABLES, UNPARTITIONED


def list_migrations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The statements that are missing from the lake.

    Raises:
        LakeError: a column has another type than in this release.
    """
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'lake'"
    ).fetchall()
    stored: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, data_type in found:
        stored[table][column] = data_type
    return [
        statement
        for table, schema in TABLES.items()
        for statement in _complete(table, list_sql_types(connection, schema), stored[table])
    ]


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Only under the lock; what another process has done meanwhile is not done again."""
    with begin(connection) as cursor:
        for statement in list_migrations(cursor):
            cursor.execute(statement)
        cursor.execute("COMMIT")


def list_sql_types(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> dict[str, str]:
    """DuckDB's name of each column's type."""
    types = connection.from_arrow(schema.empty_table()).types
    return {name: str(data_type) for name, data_type in zip(schema.names, types, strict=True)}


def _complete(table: str, wanted: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    if not present:
        columns = ", ".join(f'"{name}" {data_type}' for name, data_type in wanted.items())
        create = f"CREATE TABLE lake.{table} ({columns})"
        partition = f"ALTER TABLE lake.{table} SET PARTITIONED BY (corpus, language)"
        return [create] if table in UNPARTITIONED else [create, partition]
    for name, data_type in wanted.items():
        if present.get(name, data_type) != data_type:
            raise LakeError(
                f"The lake's column {table}.{name} is {present[name]}, but this release of sdg has"
                f" {data_type}: use the release that made the lake, or start a new lake."
            )
    return [
        f'ALTER TABLE lake.{table} ADD COLUMN "{name}" {data_type}'
        for name, data_type in wanted.items()
        if name not in present
    ]
