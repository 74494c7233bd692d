"""Rows of several kinds."""

from sdg_assets.rows import align


def test_rows_of_several_kinds_share_all_columns() -> None:
    """A checkpoint that was scored without a condition has nothing in its column."""
    assert align([{"a": 1, "b": 2}, {"a": 3, "c": 4}]) == [
        {"a": 1, "b": 2, "c": None},
        {"a": 3, "b": None, "c": 4},
    ]
