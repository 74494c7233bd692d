"""How commands print rows."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console()


def print_rows(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows as a table; where the terminal is too narrow for its header, one row below another."""
    if not rows:
        console.print(f"{title}: none" if title else "(no rows)")
    elif sum(len(name) + 3 for name in rows[0]) > console.width:
        _print_records(rows)
    else:
        _print_table(rows, title)


def _print_records(rows: Sequence[Mapping[str, Any]]) -> None:
    width = max(map(len, rows[0]))
    for number, row in enumerate(rows, start=1):
        console.print(f"[bold]row {number} of {len(rows)}[/bold]")
        for name, value in row.items():
            console.print(f"  [dim]{name:<{width}}[/dim]  {format_cell(value)}", soft_wrap=True)


def _print_table(rows: Sequence[Mapping[str, Any]], title: str | None) -> None:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0]:
        number = isinstance(next((r[name] for r in rows if r[name] is not None), ""), int | float)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_cell(value) for value in row.values()))
    console.print(table)


def format_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).replace("[", "\\[")


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
