"""`sdg leaderboard`: each partition's checkpoint on each of its evaluation sets."""

from functools import partial
from typing import Any

from sdg_assets.commands.tables import check_choice, check_format, print_as, print_figures
from sdg_assets.leaderboard import Standing, read_standings
from sdg_assets.rows import align
from sdg_assets.workspace import open_workspace

PARTS = {
    "set": ("eval_set",),
    "language": ("eval_set", "eval_language"),
    "method": ("eval_set", "method"),
}
# What is shown where not all fits, under headings that leave room for it.
_FIRST = {
    "asked": "asked",
    "trained": "trained",
    "audio removed": "no audio",
    "audio shuffled": "other audio",
    "cascade": "cascade",
    "questions": "n",
    "untrained": "untrained",
}


def show_leaderboard(by: str, output: str) -> None:
    check_choice(by, PARTS, "--by")
    check_format(output)
    standings = read_standings(open_workspace(read_only=True).lake, PARTS[by])
    tell = _tell if output == "table" else _spell_out
    rows = align([tell(standing) for standing in standings])
    table = partial(
        print_figures,
        empty="nothing was scored yet: `sdg run CORPUS/LANGUAGE --upto rouge_l_scores` trains a "
        "checkpoint of a partition and scores it",
    )
    print_as(output, rows, list(rows[0]) if rows else [], table)


def _tell(standing: Standing) -> dict[str, Any]:
    """For a terminal, the most important first."""
    row = standing.to_row() | {"trained": standing.rouge_l.to_short()}
    first = {heading: row.pop(name) for name, heading in _FIRST.items() if name in row}
    return {"trained on": standing.trained_on, **first, **row, "checkpoint": standing.checkpoint}


def _spell_out(standing: Standing) -> dict[str, Any]:
    """For programs: every number in a column of its own."""
    intervals = {
        name + suffix: value
        for name, interval in standing.intervals().items()
        for suffix, value in (("", interval.mean), (" low", interval.low), (" high", interval.high))
    }
    row = {
        "trained on": standing.trained_on,
        "asked": standing.asked,
        "questions": standing.questions,
        "limit": standing.limit,
        "num_beams": standing.num_beams,
        "clusters": len(set(standing.clusters.members)),
        "clustered_by": standing.clusters.by,
        **intervals,
        **standing.figures,
        "checkpoint": standing.checkpoint,
    }
    return {name.replace(" ", "_"): value for name, value in row.items()}
