"""Whether rows fit a table of the lake."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sdg_assets.storage.errors import LakeError
from sdg_assets.storage.tables import TABLES


def find_schema(table: str) -> pa.Schema:
    """
    Raises:
        LakeError: there is no such table.
    """
    if table not in TABLES:
        raise LakeError(f"There is no table {table!r} in the lake; there are {', '.join(TABLES)}.")
    return TABLES[table]


def check_columns(table: str, names: Sequence[str]) -> None:
    """
    Raises:
        LakeError: the table has no such column.
    """
    unknown = [name for name in names if name not in find_schema(table).names]
    if unknown:
        raise LakeError(
            f"Table {table} has no column {unknown[0]!r}; it has"
            f" {', '.join(find_schema(table).names)}."
        )


def check_rows(table: str, rows: pa.Table) -> pa.Table:
    """The same rows in the table's own column order and types.

    Raises:
        LakeError: a column is missing, unknown or of a type that does not fit.
    """
    schema = find_schema(table)
    check_columns(table, rows.schema.names)
    columns = []
    for field in schema:
        if field.name not in rows.schema.names:
            raise LakeError(
                f"Rows for table {table} lack column {field.name!r} ({field.type}):"
                " add it, null where a row has no value."
            )
        columns.append(_cast_column(table, field, rows.column(field.name)))
    return pa.table(columns, schema=schema)


def _cast_column(table: str, field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise LakeError(
            f"Column {field.name!r} of rows for table {table} is {column.type}, which does not fit"
            f" {field.type}: {error}"
        ) from error


def check_agreement(table: str, rows: pa.Table, where: Mapping[str, str]) -> None:
    """
    Raises:
        LakeError: ``where`` is empty or unknown, or a row differs from it.
    """
    check_columns(table, list(where))
    if not where:
        raise LakeError(
            f"A replacement in table {table} without a condition would delete every row:"
            " give at least corpus and language."
        )
    for name, value in where.items():
        agrees = pc.fill_null(pc.equal(rows.column(name), value), False)
        position = pc.index(agrees, False).as_py()
        if position >= 0:
            raise LakeError(
                f"Row {position} for table {table} has {name} ="
                f" {rows.column(name)[position].as_py()!r}, but the replacement is for"
                f" {name} = {value!r}: rows outside it would pile up with every run."
            )
