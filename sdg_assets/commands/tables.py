"""How commands print: sentences, and rows as tables or for other programs.

What is printed is data: nothing in it is taken for markup or for the code of an emoji.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdg_assets.rows import align

FORMATS = ("table", "csv", "json")
GAP = 2  # between two columns
_FOLDED = 24  # how wide a column of text is, at most, where there is no room for all
console = Console(markup=False, emoji=False, highlight=False)


def say(*parts: str | tuple[str, str]) -> None:
    """Print text, some of it as ``(text, style)``, in one unbroken line."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def print_rows(
    rows: Sequence[Mapping[str, Any]], title: str | None = None, *, empty: str = "none"
) -> None:
    """Rows as a table; where the terminal is too narrow for its header, one row below another.

    ``empty``: what to say of no rows.
    """
    if not rows:
        say(f"{title}: {empty}" if title else "(no rows)")
    elif sum(len(name) + GAP for name in rows[0]) - GAP > console.width:
        _print_records(rows)
    else:
        console.print(_make_table(rows, dict.fromkeys(rows[0]), title))


def print_figures(
    rows: Sequence[Mapping[str, Any]], totals: Mapping[str, Any] | None = None, *, empty: str
) -> None:
    """Rows of figures as a table, the most important columns first: those too wide are left out.

    So is a column in which nothing is known. ``empty``: what to say of no rows.
    """
    if not rows:
        say(empty)
        return
    shown = [
        {name.replace("_", " "): value for name, value in row.items()}
        for row in align([*rows, totals] if totals else rows)
    ]
    known = [name for name in shown[0] if any(row[name] is not None for row in shown)]
    widths = {name: _measure(name, [row[name] for row in shown]) for name in known}
    if choose_columns(widths, console.width) != known:  # long names then go over several lines
        widths |= {
            name: min(width, _FOLDED)
            for name, width in widths.items()
            if any(isinstance(row[name], str) for row in shown)
        }
    fitting = choose_columns(widths, console.width)
    table = _make_table(shown, {name: widths[name] for name in fitting})
    if totals:
        table.rows[-2].end_section = True
    console.print(table)
    if left := [name for name in known if name not in fitting]:
        say((f"no room here for {', '.join(left)}: --format csv shows all", "dim"))


def choose_columns(widths: Mapping[str, int], room: int) -> list[str]:
    """The first ones, as many as fit into ``room`` side by side.

    >>> choose_columns({"a": 5, "b": 3, "c": 1}, room=10)
    ['a', 'b']
    """
    ends = accumulate(width + GAP for width in widths.values())
    return [name for name, end in zip(widths, ends, strict=True) if end - GAP <= room]


def check_choice(value: str, known: Collection[str], option: str) -> None:
    """
    Raises:
        BadParameter: what was given to ``option`` is none of ``known``.
    """
    if value not in known:
        raise typer.BadParameter(f"{value!r}: write one of {', '.join(known)}", param_hint=option)


def check_format(output: str) -> None:
    """
    Raises:
        BadParameter: rows cannot be printed as that.
    """
    check_choice(output, FORMATS, "--format")


def print_as(
    output: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    print_table: Callable[[Sequence[Mapping[str, Any]]], None],
) -> None:
    """Rows as one of :data:`FORMATS`."""
    match output:
        case "csv":
            write_csv(rows, columns)
        case "json":
            write_json(rows)
        case _:
            print_table(rows)


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


def _make_table(
    rows: Sequence[Mapping[str, Any]], widths: Mapping[str, int | None], title: str | None = None
) -> Table:
    """The columns of ``widths``; one without a width has what room there is."""
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
    )
    for name, width in widths.items():
        number = isinstance(next((r[name] for r in rows if r[name] is not None), ""), int | float)
        table.add_column(
            Text(name), justify="right" if number else "left", overflow="fold", width=width
        )
    for row in rows:
        table.add_row(*(Text(format_cell(row[name])) for name in widths))
    return table


def _measure(name: str, values: Sequence[Any]) -> int:
    """How wide a column is whose header is broken into words, and whose cells are not."""
    return max(map(cell_len, (*name.split(), *map(format_cell, values))))


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
