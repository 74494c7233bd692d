"""How rows are printed: for people, and for other programs."""

import csv
import io
import json

import pytest

from sdg_assets.commands import tables
from sdg_assets.commands.tables import format_cell, print_rows, write_csv, write_json

ROWS = [
    {"id": "डे/1", "text": 'a "quoted", [bold] line', "score": 0.5},
    {"id": "二", "text": None, "score": 1},
]


def test_a_shell_reads_csv_without_carriage_returns(capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(ROWS, ["id", "text", "score"])
    written = capsys.readouterr().out
    assert "\r" not in written
    read = list(csv.DictReader(io.StringIO(written)))
    assert [row["id"] for row in read] == ["डे/1", "二"]
    assert read[0]["text"] == ROWS[0]["text"]


def test_json_has_one_row_in_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(ROWS)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


@pytest.mark.parametrize(("width", "is_table"), [(100, True), (12, False)])
def test_rows_too_wide_for_a_table_are_printed_one_below_another(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    is_table: bool,
) -> None:
    monkeypatch.setattr(tables.console, "_width", width)
    print_rows(ROWS)
    printed = capsys.readouterr().out
    assert ("row 1 of 2" in printed) != is_table
    assert "[bold]" in printed.replace("\n", "")


def test_cells() -> None:
    assert format_cell(None) == ""
    assert format_cell(1 / 3) == "0.333"
    assert format_cell({"wörter": [1]}) == '{"wörter": [1]}'
