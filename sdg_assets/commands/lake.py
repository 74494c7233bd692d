"""`sdg sql`, `sdg calls`, `sdg gc`: looking into the lake, and keeping it small."""

from datetime import UTC, datetime, timedelta

import typer

from sdg_assets.commands.tables import console, name_columns, print_rows, write_csv, write_json
from sdg_assets.storage.maintenance import plan_gc
from sdg_assets.storage.maintenance import run_gc as carry_out
from sdg_assets.workspace import open_workspace, require_home

FORMATS = ("table", "csv", "json")


def run_query(query: str, output: str) -> None:
    if output not in FORMATS:
        raise typer.BadParameter(f"{output!r}: write one of {', '.join(FORMATS)}")
    found = open_workspace(read_only=True).lake.query(query)
    found = found.rename_columns(name_columns(found.column_names))
    rows = found.to_pylist()
    match output:
        case "csv":
            write_csv(rows, found.column_names)
        case "json":
            write_json(rows)
        case _:
            print_rows(rows)


def show_calls() -> None:
    print_rows(open_workspace(read_only=True).ledger.report().to_pylist(), "engine calls")


def run_gc(days: float | None, *, dry_run: bool) -> None:
    workspace = open_workspace(require_home())
    limit = timedelta(days=workspace.settings.keep_snapshots_days if days is None else days)
    plan = plan_gc(workspace.lake, workspace.blobs, (), datetime.now(UTC) - limit)
    console.print(str(plan))
    if dry_run:
        console.print("nothing was removed: add --yes to remove it")
        return
    removed = carry_out(workspace.lake, workspace.blobs, plan)
    console.print(f"removed {len(plan.versions)} versions and {removed / 1e6:.1f} MB of blobs")
