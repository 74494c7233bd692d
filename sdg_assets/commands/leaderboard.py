"""`sdg leaderboard`: each partition's checkpoint on each of its evaluation sets."""

import typer

from sdg_assets.commands.tables import check_format, print_as
from sdg_assets.leaderboard import read_standings
from sdg_assets.rows import align
from sdg_assets.workspace import open_workspace

PARTS = {
    "set": ("eval_set",),
    "language": ("eval_set", "eval_language"),
    "method": ("eval_set", "method"),
}


def show_leaderboard(by: str, output: str) -> None:
    if by not in PARTS:
        raise typer.BadParameter(f"{by!r}: write one of {', '.join(PARTS)}", param_hint="--by")
    check_format(output)
    standings = read_standings(open_workspace(read_only=True).lake, PARTS[by])
    rows = [
        {
            "trained on": standing.trained_on,
            "checkpoint": standing.checkpoint,
            **{
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in standing.to_row().items()
            },
        }
        for standing in standings
    ]
    rows = align(rows)
    print_as(output, rows, list(rows[0]) if rows else [])
