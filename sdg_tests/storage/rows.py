"""Rows for tests: any columns of a table, the others null."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from sdg_assets.storage.lake import Replacement
from sdg_assets.storage.tables import TABLES


def make_rows(table: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TABLES[table])


def make_transcripts(corpus: str, language: str, texts: Iterable[str]) -> pa.Table:
    return make_rows(
        "transcripts",
        (
            {"corpus": corpus, "language": language, "utterance_id": f"u{number}", "text": text}
            for number, text in enumerate(texts)
        ),
    )


def replace_transcripts(corpus: str, language: str, texts: Iterable[str]) -> Replacement:
    rows = make_transcripts(corpus, language, texts)
    return Replacement("transcripts", rows, {"corpus": corpus, "language": language})


def replace_quarantine(corpus: str, language: str, reasons: Iterable[str]) -> Replacement:
    where = {"corpus": corpus, "language": language, "stage": "transcripts"}
    rows = ({**where, "item_id": f"u{n}", "reason": reason} for n, reason in enumerate(reasons))
    return Replacement("quarantine", make_rows("quarantine", rows), where)
