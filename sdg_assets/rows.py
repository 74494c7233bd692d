"""Rows as mappings, for people and for other programs."""

from collections.abc import Mapping, Sequence
from typing import Any


def align(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the columns of all of them; what one does not have is empty."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]
