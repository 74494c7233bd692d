"""`sdg languages`: a new language by a real Dagster backfill over the chain."""

import time
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterInstance
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG
from dagster._core.utils import make_new_backfill_id

from sdg_assets.automation import read_finished
from sdg_assets.commands.checking import preview
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.run import check_stages, read_failures, stage_names, stages_of_kind
from sdg_assets.commands.tables import console, print_rows, say
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import Partition, check_language_tag
from sdg_assets.corpora.mixtures import find_gaps, ingredients_of
from sdg_assets.definitions import defs
from sdg_assets.partitions import add_partitions
from sdg_assets.workspace import Workspace, open_workspace

POLL_SECONDS = 2.0
UNFINISHED = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)


def show_languages() -> None:
    spoken: dict[str, list[str]] = {}
    for name, config in open_workspace().corpora.all().items():
        for language in config.languages:
            spoken.setdefault(language, []).append(name)
    rows = [{"language": tag, "corpora": ", ".join(names)} for tag, names in sorted(spoken.items())]
    print_rows(rows, "languages")


def add(language: str, corpora: Sequence[str], upto: str, *, wait: bool) -> bool:
    """Whether the backfills were launched (and, with ``wait``, Dagster calls each a success).

    All corpora are checked before anything is changed. Mixtures of what is being added are left to
    the `mixtures` sensor, which knows when their members are done.

    Raises:
        PartitionKeyError: the language is no BCP-47 tag in lower case.
        CorpusError: a corpus is not registered, cannot have the language, or has no data of it.
        SettingsError: there is no stage ``upto``, or a corpus has none of the stages before it.
    """
    check_language_tag(language)
    check_stages([upto])
    if not corpora:
        raise CorpusError("no corpus is named: write `--corpora NAME,NAME`")
    workspace = open_workspace()
    configs = {name: workspace.corpora.get(name).with_language(language) for name in corpora}
    for config in configs.values():
        check_data(config, language, configs, workspace)
    targets = group_by_stages(configs, language, upto)
    for config in configs.values():
        workspace.corpora.register(config)
    with open_instance() as instance:
        add_partitions([Partition(name, language) for name in configs], instance)
        backfills = [launch_backfill(instance, *target) for target in targets.items()]
        for name in sorted(configs.keys() - {p.corpus for ps in targets.values() for p in ps}):
            console.print(f"{name}|{language} is made once its members are: by the mixtures sensor")
        if not wait:
            console.print("`sdg dev` runs it; follow it in the web UI under Runs, Backfills.")
            return True
        succeeded = [
            follow(instance, backfill, partitions)
            for backfill, partitions in zip(backfills, targets.values(), strict=True)
        ]
        return all(succeeded)


def check_data(
    config: CorpusConfig, language: str, added: Mapping[str, CorpusConfig], workspace: Workspace
) -> None:
    """
    Raises:
        CorpusError: there is nothing of ``language`` to begin with; says where it was looked for.
    """
    if config.kind == "mixture":
        _check_members(config, language, added, workspace)
    elif problem := preview(config, language).problem:
        raise CorpusError(f"{config.name} has no data in {language!r}: {problem}")


def _check_members(
    mixture: CorpusConfig, language: str, added: Mapping[str, CorpusConfig], workspace: Workspace
) -> None:
    registered = {**workspace.corpora.all(), **added}
    if gaps := find_gaps(mixture, registered):
        raise CorpusError(f"{mixture.name}|{language}: {'; '.join(gaps)}")
    done = read_finished(workspace)
    missing = [
        each
        for each in ingredients_of(Partition(mixture.name, language), registered)
        if each not in done and not _is_added(each.partition, language, added)
    ]
    if missing:
        told = ", ".join(f"{stage} of {partition}" for stage, partition in missing)
        stage, first = missing[0]
        raise CorpusError(
            f"{mixture.name}|{language} unites {told}, not there yet: "
            f"`sdg run {first.corpus}/{first.language} --upto {stage}` first"
        )


def _is_added(member: Partition, language: str, added: Mapping[str, CorpusConfig]) -> bool:
    return member.language == language and member.corpus in added


def group_by_stages(
    configs: Mapping[str, CorpusConfig], language: str, upto: str
) -> dict[tuple[str, ...], list[Partition]]:
    """What to backfill: the stages that a kind has, and the partitions of that kind.

    Dagster calls a backfill failed whose runs leave out a stage that it asked for, and cuts the
    runs of one whose stages have different partitions into pieces: so one for each kind.
    """
    targets: dict[tuple[str, ...], list[Partition]] = {}
    for config in configs.values():
        if configs.keys().isdisjoint(config.sources):
            stages = stages_of_kind(config.kind, upto)
            targets.setdefault(stages, []).append(Partition(config.name, language))
    return targets


def launch_backfill(
    instance: DagsterInstance, stages: Sequence[str], partitions: Sequence[Partition]
) -> str:
    """Store a backfill as the web UI's server does; Dagster's daemon runs it. Returns its id."""
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=defs.resolve_asset_graph(),
        backfill_timestamp=time.time(),
        tags={},
        asset_selection=[dg.AssetKey(stage) for stage in stages],
        partition_names=[str(partition) for partition in partitions],
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=f"add {partitions[0].language}",
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    console.print(
        f"backfill {backfill.backfill_id}: {', '.join(map(str, partitions))}: {', '.join(stages)}",
        soft_wrap=True,
    )
    return backfill.backfill_id


def follow(instance: DagsterInstance, backfill_id: str, partitions: Sequence[Partition]) -> bool:
    """Say how far each partition is until the backfill ends; whether Dagster calls it a success."""
    said = ""
    while (backfill := instance.get_backfill(backfill_id)) and backfill.status in UNFINISHED:
        runs = latest_runs(instance, backfill_id)
        told = {key: describe(instance, run) for key, run in runs.items()}
        waiting = dict.fromkeys(map(str, partitions), "waiting")
        line = "; ".join(f"{key}: {state}" for key, state in (waiting | told).items())
        if not told:
            line += ": Dagster's daemon, which `sdg dev` runs, begins it within half a minute"
        if line != said:
            console.print(f"  {line}", soft_wrap=True)
            said = line
        time.sleep(POLL_SECONDS)
    if backfill is None:
        say(("failed", "red"), f" somebody removed backfill {backfill_id}")
        return False
    last_runs = latest_runs(instance, backfill_id)
    for key, run in last_runs.items():
        if not run.is_success:
            failures = read_failures(entry.dagster_event for entry in instance.all_logs(run.run_id))
            for stage, error in (failures or {"run": run.status.value.lower()}).items():
                say(("failed", "red"), f" {key} {stage}: {error}")
    if backfill.error is not None:
        say(("failed", "red"), f" {backfill.error.message}")
    good = backfill.status == BulkActionStatus.COMPLETED_SUCCESS
    if not good and last_runs and all(run.is_success for run in last_runs.values()):
        say(("failed", "red"), " no run, but a stage that was asked for does not apply")
    console.print(f"backfill {backfill_id}: {backfill.status.value.lower()}")
    return good


def latest_runs(instance: DagsterInstance, backfill_id: str) -> dict[str, dg.DagsterRun]:
    """The newest run of each partition: a crashed one is tried again."""
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill_id}))
    return {run.tags[PARTITION_NAME_TAG]: run for run in reversed(runs)}


def describe(instance: DagsterInstance, run: dg.DagsterRun) -> str:
    """A run's status, and the stage that it is at; its checks are steps, too."""
    if run.status != dg.DagsterRunStatus.STARTED:
        return run.status.value.lower()
    begun = {
        step.step_key.split(".")[0]
        for step in instance.get_run_step_stats(run.run_id)
        if step.start_time
    }
    stages = [stage for stage in stage_names() if stage in begun]
    return f"{stages[-1]}, stage {len(stages)}" if stages else "started"
