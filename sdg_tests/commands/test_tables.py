"""How rows are printed: for people, and for other programs."""

import csv
import io
import json

import pytest

from sdg_assets.commands import tables
from sdg_assets.commands.tables import (
    format_cell,
    name_columns,
    print_figures,
    print_rows,
    write_csv,
    write_json,
)

ROWS = [
    {"id": "डे/1", "text": 'a "quoted", [bold] :x: \\[red]', "score": 0.5},
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
    assert not is_table or "[bold] :x: \\[red]" in printed


FIGURES = [
    {"stage": "generated_qa", "output_tokens": 12, "cost": None, "engine": "someone/large"},
    {"stage": "filtered_qa", "output_tokens": 3, "cost": None, "engine": "someone/large"},
]


def test_figures_are_a_table_of_what_is_known_and_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.console, "_width", 22)
    print_figures(FIGURES, {"stage": "all", "output_tokens": 15}, empty="nothing")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [["output"], ["stage", "tokens"]]
    assert ["generated_qa", "12"] in lines
    assert lines[-2] == ["all", "15"]
    assert lines[-1] == ["no", "room", "here", "for", "engine:", "--format", "csv", "shows", "all"]
    print_figures([], empty="nothing")
    assert capsys.readouterr().out == "nothing\n"


def test_long_names_make_room_for_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.console, "_width", 31)
    print_figures([{"name": "letters-" * 5, "score": 0.5}], empty="nothing")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["letters-" * 3, "0.5"]
    assert len(lines) == 4  # two of the head, two of the name


def test_data_is_neither_markup_nor_emoji(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "[bold]a[/bold] :smile: \\[red] [/]"
    monkeypatch.setattr(tables.console, "_width", 100)
    print_rows([{said: said}], said)
    tables.say("  ", (said, "bold"))
    monkeypatch.setattr(tables.console, "_width", 5)
    print_rows([{said: said}])
    assert capsys.readouterr().out.count(said) == 6


def test_columns_of_one_name_are_told_apart() -> None:
    assert name_columns(["a", "b", "a", "a_1", "a"]) == ["a", "b", "a_1", "a_1_1", "a_2"]


def test_cells() -> None:
    assert format_cell(None) == ""
    assert format_cell(1 / 3) == "0.333"
    assert [format_cell(value) for value in (11.0, 82.1, 0.0, -2.50, 1e7, 0.00012345)] == [
        "11", "82.1", "0", "-2.5", "10000000", "0.000123",
    ]  # fmt: skip
    assert format_cell("a [b] c") == "a [b] c"
    assert format_cell({"wörter": [1]}) == '{"wörter": [1]}'
