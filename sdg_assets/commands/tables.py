"""How commands print: sentences, and rows as tables or for other programs.

What is printed is data: nothing in it is taken for markup or for the code of an emoji.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

FORMATS = ("table", "csv", "json")
console = Console(markup=False, emoji=False, highlight=False)


def say(*parts: str | tuple[str, str]) -> None:
    """Print text, some of it as ``(text, style)``, in one unbroken line."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def print_rows(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows as a table; where the terminal is too narrow for its header, one row below another."""
    if not rows:
        console.print(f"{title}: none" if title else "(no rows)")
    elif sum(len(name) + 3 for name in rows[0]) > console.width:
        _print_records(rows)
    else:
        _print_table(rows, title)


def check_format(output: str) -> None:
    """
    Raises:
        BadParameter: rows cannot be printed as that.
    """
    if output not in FORMATS:
        raise typer.BadParameter(
            f"{output!r}: write one of {', '.join(FORMATS)}", param_hint="--format"
        )


def print_as(output: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as one of :data:`FORMATS`."""
    match output:
        case "csv":
            write_csv(rows, columns)
        case "json":
            write_json(rows)
        case _:
            print_rows(rows)


def name_columns(names: Sequence[str]) -> list[str]:
    """Each name once, a repeated one with a number, as DuckDB names them: ``a``, ``a_1``."""
    taken: Counter[str] = Counter()
    unique: list[str] = []
    for name in names:
        candidate = name
        while candidate in unique:
            taken[name] += 1
            candidate = f"{name}_{taken[name]}"
        unique.append(candidate)
    return unique


def _print_records(rows: Sequence[Mapping[str, Any]]) -> None:
    width = max(map(len, rows[0]))
    for number, row in enumerate(rows, start=1):
        say((f"row {number} of {len(rows)}", "bold"))
        for name, value in row.items():
            say("  ", (f"{name:<{width}}", "dim"), "  ", format_cell(value))


def _print_table(rows: Sequence[Mapping[str, Any]], title: str | None) -> None:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0]:
        number = isinstance(next((r[name] for r in rows if r[name] is not None), ""), int | float)
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(format_cell(value)) for value in row.values()))
    console.print(table)


def format_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def format_number(value: float) -> str:
    """At most three decimals, or three digits of what is smaller; whole numbers without any."""
    if 0 < abs(value) < 0.001:
        return f"{value:.3g}"
    text = f"{value:.3f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
