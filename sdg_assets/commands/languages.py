"""`sdg languages`: a new language by a real Dagster backfill over the chain."""

import time
from collections.abc import Sequence
from typing import Any

from dagster import DagsterInstance
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.cli import execute_query

from sdg_assets.commands.dagster_home import find_project_file, open_instance
from sdg_assets.commands.run import stages_upto
from sdg_assets.commands.tables import console, print_rows
from sdg_assets.corpora.keys import Partition, check_language_tag
from sdg_assets.corpora.registry import CorpusRegistry
from sdg_assets.errors import UserError
from sdg_assets.partitions import add_partitions
from sdg_assets.workspace import open_workspace

POLL_SECONDS = 2.0

LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on InvalidSubsetError { message }
    ... on PartitionKeysNotFoundError { message }
  }
}
"""


class BackfillError(UserError):
    """Dagster refused the backfill; says what it said."""


def show_languages() -> None:
    spoken: dict[str, list[str]] = {}
    for name, config in open_workspace().corpora.all().items():
        for language in config.languages:
            spoken.setdefault(language, []).append(name)
    rows = [{"language": tag, "corpora": ", ".join(names)} for tag, names in sorted(spoken.items())]
    print_rows(rows, "languages")


def add(language: str, corpora: Sequence[str], upto: str, *, wait: bool) -> bool:
    """Whether the backfill was launched (and, with ``wait``, every partition went through)."""
    check_language_tag(language)
    stages = stages_upto(upto)
    registry = open_workspace().corpora
    partitions = [add_to_corpus(registry, name, language) for name in corpora]
    with open_instance() as instance:
        add_partitions(partitions, instance)
        backfill = launch_backfill(instance, stages, partitions)
        console.print(
            f"backfill {backfill}: {', '.join(map(str, partitions))}, {stages[0]} to {stages[-1]}"
        )
        if not wait:
            console.print("`make dev` runs it; follow it in the UI under Runs, Backfills.")
            return True
        return follow(instance, backfill)


def add_to_corpus(registry: CorpusRegistry, name: str, language: str) -> Partition:
    config = registry.get(name)
    if not config.speaks(language):
        registry.register(config.with_language(language))
    return Partition(name, language)


def launch_backfill(
    instance: DagsterInstance, stages: Sequence[str], partitions: Sequence[Partition]
) -> str:
    """Ask Dagster, as its web UI would, for ``stages`` of ``partitions``; returns the id.

    Raises:
        BackfillError: Dagster refused.
    """
    params: dict[str, Any] = {
        "assetSelection": [{"path": [stage]} for stage in stages],
        "partitionNames": [str(partition) for partition in partitions],
        "title": f"add {', '.join(sorted({p.language for p in partitions}))}",
    }
    target = WorkspaceFileTarget([str(find_project_file("workspace.yaml"))])
    with WorkspaceProcessContext(instance, target) as context:
        answer = execute_query(context, LAUNCH, {"params": params})
    if "errors" in answer:
        raise BackfillError(f"Dagster refused the backfill: {answer['errors'][0]['message']}")
    launched = answer["data"]["launchPartitionBackfill"]
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise BackfillError(
            f"Dagster refused the backfill: {launched.get('message', launched['__typename'])}"
        )
    return str(launched["backfillId"])


def follow(instance: DagsterInstance, backfill_id: str) -> bool:
    """Say how many partitions are done until the backfill ends; whether all succeeded."""
    said = ""
    while True:
        backfill = instance.get_backfill(backfill_id)
        if backfill is None:
            raise BackfillError(f"Dagster has forgotten backfill {backfill_id}")
        runs = [record.dagster_run for record in instance.get_run_records()
                if record.dagster_run.tags.get("dagster/backfill") == backfill_id]  # fmt: skip
        counts = {
            status: sum(run.status.value == status for run in runs)
            for status in sorted({run.status.value for run in runs})
        }
        line = f"{backfill.status.value.lower()}: " + (
            ", ".join(f"{n} {status.lower()}" for status, n in counts.items())
            or "no run yet (is `make dev` up?)"
        )
        if line != said:
            console.print(line)
            said = line
        # Dagster calls a backfill completed even when its runs failed.
        if backfill.status not in (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING):
            return bool(runs) and all(run.is_success for run in runs)
        time.sleep(POLL_SECONDS)
