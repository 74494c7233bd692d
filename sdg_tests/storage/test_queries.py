"""Queries that a person types: one statement, which reads, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdg_assets.storage.lake import Lake, LakeConfig, LakeError
from sdg_tests.storage.rows import replace_transcripts

READS = (
    "SELECT count(*) FROM transcripts",
    "  -- how many\n WITH t AS (FROM transcripts) SELECT count(*) FROM t;",
    "FROM transcripts LIMIT 1",
    "VALUES (1)",
    "SHOW TABLES",
    "DESCRIBE transcripts",
    "SUMMARIZE transcripts",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT count(*) FROM transcripts",
    "EXPLAIN (FORMAT json) SELECT 1",
    "PIVOT transcripts ON text USING count(*) GROUP BY language",
    "SELECT ';' AS \"two; words\"",
    "SELECT count(*) FROM ducklake_snapshots('lake')",
)
WRITES = (
    "DELETE FROM transcripts",
    "DROP TABLE lake.transcripts",
    "CREATE TABLE other (a INTEGER)",
    "CREATE TEMP TABLE other AS SELECT 1",
    "COPY (SELECT 1) TO '{folder}/stolen.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/stolen.csv'",
    "EXPLAIN ANALYZE DELETE FROM transcripts",
    "ATTACH '{folder}/stolen.duckdb' AS other",
    "EXPORT DATABASE '{folder}/stolen'",
    "CALL ducklake_expire_snapshots('lake', older_than => now())",
    "SET memory_limit = '1GB'",
    "COMMIT",
)
SEVERAL = (
    "COMMIT; DELETE FROM lake.transcripts",
    "COMMIT; DROP TABLE lake.transcripts",
    "SELECT 1; SELECT 2",
    "PIVOT transcripts ON text; DELETE FROM lake.transcripts; SELECT 1",
)


@pytest.fixture
def reader(config: LakeConfig) -> Iterator[Lake]:
    """A lake of one row, opened for reading."""
    writer = Lake(config)
    writer.replace(replace_transcripts("c", "en", ["kept"]))
    writer.close()
    reader = Lake(config, read_only=True)
    yield reader
    assert reader.read("transcripts").column("text").to_pylist() == ["kept"]
    reader.close()


def test_whatever_reads_is_answered(reader: Lake) -> None:
    for query in READS:
        assert reader.query(query).num_rows >= 1, query


def test_whatever_writes_is_refused(reader: Lake, tmp_path: Path) -> None:
    for query in WRITES:
        with pytest.raises(LakeError, match="only reads"):
            reader.query(query.format(folder=tmp_path))
    assert not list(tmp_path.glob("stolen*"))


def test_several_statements_are_refused(reader: Lake) -> None:
    for query in SEVERAL:
        with pytest.raises(LakeError, match="one statement"):
            reader.query(query)


@pytest.mark.parametrize("query", ["", "  ", ";", "-- nothing"])
def test_an_empty_query_says_what_to_write(sqlite_lake: Lake, query: str) -> None:
    with pytest.raises(LakeError, match="SHOW TABLES"):
        sqlite_lake.query(query)


def test_what_is_no_sql_is_explained(sqlite_lake: Lake) -> None:
    with pytest.raises(LakeError, match="syntax error"):
        sqlite_lake.query("SELEKT 1")


def test_the_lake_itself_refuses_to_be_written(reader: Lake) -> None:
    """Also what passes for a read, and what no query goes through."""
    metadata = "'__ducklake_metadata_lake', 'DELETE FROM ducklake_table RETURNING table_id'"
    for query in (
        "SELECT * FROM ducklake_expire_snapshots('lake', versions => [1])",
        f"SELECT * FROM postgres_query({metadata})",
        f"SELECT * FROM sqlite_query({metadata})",
    ):
        with pytest.raises(LakeError):
            reader.query(query)
    with pytest.raises(LakeError, match="read-only"):
        reader.replace(replace_transcripts("c", "en", []))


def test_a_lake_is_made_for_reading_too(config: LakeConfig) -> None:
    reader = Lake(config, read_only=True)
    assert reader.query("FROM transcripts").num_rows == 0
    reader.close()
