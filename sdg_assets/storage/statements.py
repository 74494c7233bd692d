"""What a query may be: one SQL statement that reads.

DuckDB runs several statements in one go, and the first may end the transaction that was to keep
the others from writing; ``COPY`` and ``ATTACH`` write files whatever the lake allows.
"""

import re

import duckdb

from sdg_assets.storage.errors import LakeError

# FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE and the like are SELECT to DuckDB.
_EXPLAIN = re.compile(r"\s*EXPLAIN\b(\s*\([^()]*\))?(\s*ANALYZE\b)?", re.IGNORECASE)


def check_query(sql: str) -> None:
    """
    Raises:
        LakeError: it is not exactly one statement, or one that does more than read.
        duckdb.Error: it is not SQL.
    """
    statements = duckdb.extract_statements(sql)
    if not statements:
        raise LakeError('There is nothing to query: write a statement, such as "SHOW TABLES".')
    # A PIVOT is taken apart into statements of DuckDB's own, which have no text.
    written = [statement for statement in statements if statement.query.strip()]
    if len(written) > 1:
        raise LakeError(
            f"A query is one statement, and these are {len(written)}: send them one by one."
        )
    for statement in written:
        _check_reads(statement)


def _check_reads(statement: duckdb.Statement) -> None:
    if statement.type == duckdb.StatementType.SELECT:
        return
    explain = _EXPLAIN.match(statement.query)
    if statement.type == duckdb.StatementType.EXPLAIN and explain:
        check_query(statement.query[explain.end() :])
        return
    raise LakeError(
        f"A query only reads, and this is a statement of the kind {statement.type.name}: use "
        "SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN. Nothing was changed."
    )
