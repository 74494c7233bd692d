"""`sdg sql`, `sdg calls`, `sdg gc`: looking into the lake, and keeping it small."""

from datetime import UTC, datetime, timedelta
from functools import partial

from sdg_assets.commands.tables import (
    check_choice,
    check_format,
    console,
    name_columns,
    print_as,
    print_figures,
    print_rows,
    say,
)
from sdg_assets.storage.maintenance import plan_gc
from sdg_assets.storage.maintenance import run_gc as carry_out
from sdg_assets.storage.tables import TABLES
from sdg_assets.workspace import open_workspace, require_home
from sdg_training.states import remove_stopped

CALLS_BY = {
    "stage": ("stage",),
    "engine": ("stage", "engine"),
    "partition": ("stage", "corpus", "language"),
}


def run_query(query: str, output: str) -> None:
    check_format(output)
    found = open_workspace(read_only=True).lake.query(query)
    found = found.rename_columns(name_columns(found.column_names))
    print_as(output, found.to_pylist(), found.column_names, print_rows)


def show_calls(by: str, output: str) -> None:
    check_choice(by, CALLS_BY, "--by")
    check_format(output)
    ledger = open_workspace(read_only=True).ledger
    found = ledger.report(by=CALLS_BY[by])
    rows = sorted(found.to_pylist(), key=lambda row: [*TABLES].index(row["stage"]))
    [totals] = ledger.report(by=()).to_pylist()
    table = partial(
        print_figures,
        totals={"stage": "all", **totals},
        empty="no engine was called yet: `sdg run CORPUS/LANGUAGE` calls those of its stages",
    )
    print_as(output, rows, found.column_names, table)


def run_gc(days: float | None, *, dry_run: bool) -> None:
    workspace = open_workspace(require_home())
    limit = timedelta(days=workspace.settings.keep_snapshots_days if days is None else days)
    plan = plan_gc(workspace.lake, workspace.blobs, (), datetime.now(UTC) - limit)
    console.print(str(plan))
    stopped = remove_stopped(workspace.trainings, plan.safe_before.timestamp(), dry_run=dry_run)
    console.print(f"trainings that were stopped, and that nobody went on with: {len(stopped)}")
    for path in stopped:
        say(f"  {path}")
    if dry_run:
        console.print("nothing was removed: add --yes to remove it")
        return
    removed = carry_out(workspace.lake, workspace.blobs, plan)
    console.print(
        f"removed: versions {len(plan.versions)}, blobs {removed / 1e6:.1f} MB, stopped trainings "
        f"{len(stopped)}"
    )
