"""`sdg corpora remove`: a corpus, its partitions and, where that is asked for, its rows."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sdg_assets.automation import list_unfinished
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.invocation import program
from sdg_assets.commands.liveness import bury_dead_runs
from sdg_assets.commands.tables import say
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import parse_partition
from sdg_assets.landing import list_files
from sdg_assets.partitions import remove_partitions
from sdg_assets.storage.lake import Lake, Replacement
from sdg_assets.storage.tables import TABLES, UNPARTITIONED
from sdg_assets.workspace import Workspace, open_workspace, require_home

RECORDS = frozenset({"materializations", "quarantine"})  # that something ran, and what was refused


def remove(name: str, *, with_rows: bool) -> None:
    """Take a corpus out of the home folder and of Dagster's grid.

    Raises:
        UnknownCorpusError: no such corpus is registered.
        CorpusError: a mixture names it, a run is at it, or there are rows of it and ``with_rows``
            is not set. Nothing was changed.
    """
    workspace = open_workspace(require_home())
    config = workspace.corpora.get(name)
    others = {other: each for other, each in workspace.corpora.all().items() if other != name}
    check_unnamed(name, others)
    rows = count_rows(workspace.lake, name)
    if rows and not with_rows:
        raise CorpusError(
            f"the lake has rows of {name} ({describe_rows(rows)}): "
            f"`{program()} corpora remove {name} --yes` removes them, too"
        )
    with open_instance() as instance:
        bury_dead_runs(instance, workspace.home / "dagster" / "processes")
        check_idle(name, instance)
        version = forget(workspace.lake, name)
        spoken = {language for each in others.values() for language in each.languages}
        remove_partitions(name, set(config.languages) - spoken, instance)
    path = workspace.corpora.remove(name)
    say(f"removed {name} ({config.kind}; {', '.join(config.languages)}): {path}")
    if rows:
        say_what_remains(workspace, rows, version)
    if any(file.path.startswith(f"{name}/") for file in list_files(workspace.settings.landing.url)):
        say(
            ("note", "yellow"),
            f" its files are still in {workspace.settings.landing.url}/{name}: when one of them "
            "changes, it is registered again",
        )


def check_unnamed(name: str, others: Mapping[str, CorpusConfig]) -> None:
    """
    Raises:
        CorpusError: a mixture names the corpus.
    """
    naming = [o for o, each in others.items() if name in (*each.sources, *each.evaluate_on)]
    if naming:
        raise CorpusError(
            f"{', '.join(naming)} names {name} in `members`, `transcribe` or `evaluate_on`: "
            "register it without that, or remove it first"
        )


def check_idle(name: str, instance: dg.DagsterInstance) -> None:
    """
    Raises:
        CorpusError: a run of the corpus has not ended, and would write its rows again.
    """
    for run in list_unfinished(instance):
        key = run.tags[PARTITION_NAME_TAG]
        if parse_partition(key).corpus == name:
            raise CorpusError(
                f"run {run.run_id} of {key} is {run.status.value.lower()}: let it end, or cancel "
                "it in the web UI"
            )


def count_rows(lake: Lake, corpus: str) -> dict[str, int]:
    """How many rows of ``corpus`` each table has, of those that have any."""
    counts = {
        table: lake.read(table, where={"corpus": corpus}, columns=["corpus"]).num_rows
        for table in TABLES
        if table not in UNPARTITIONED | RECORDS
    }
    return {table: count for table, count in counts.items() if count}


def describe_rows(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {count}" for table, count in rows.items())


def forget(lake: Lake, corpus: str) -> int:
    """Take all that the tables say of ``corpus`` out of them, in one transaction.

    Returns:
        The version of the lake before that, which still has it.
    """
    before = lake.snapshot()
    lake.replace(
        *(
            Replacement(table, schema.empty_table(), {"corpus": corpus})
            for table, schema in TABLES.items()
            if table not in UNPARTITIONED
        )
    )
    return before


def say_what_remains(workspace: Workspace, rows: Mapping[str, int], version: int) -> None:
    table = next(iter(rows))
    days = workspace.settings.keep_snapshots_days
    say(f"  its rows are gone: {describe_rows(rows)}")
    say(
        f"  version {version} of the lake still has them: "
        f'`{program()} sql "FROM {table} AT (VERSION => {version})"`'
    )
    say(
        f"  after {days:g} days `{program()} gc --yes` clears it, with its audio and checkpoints, "
        "unless another checkpoint was trained on it; answers of engines stay in the call ledger"
    )
