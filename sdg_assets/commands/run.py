"""`sdg run`: materialise partitions through Dagster in this process, with progress."""

import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.scripts import watch_orphans as dagsters_watch
from pydantic import ValidationError

from sdg_assets.automation import read_finished
from sdg_assets.commands import watch_orphans
from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.invocation import program
from sdg_assets.commands.liveness import alive
from sdg_assets.commands.pools import telling_of_waits
from sdg_assets.commands.tables import say
from sdg_assets.corpora.keys import Partition, PartitionKeyError, parse_argument
from sdg_assets.definitions import defs
from sdg_assets.errors import say_plainly
from sdg_assets.explaining import explain, explain_yaml
from sdg_assets.partitions import add_partitions, key_of
from sdg_assets.progress import Progress, listening
from sdg_assets.settings import SettingsError, home_folder, load_profile
from sdg_assets.stages import STAGES
from sdg_assets.stages.evaluation_sets import choose_evaluation_sets, list_asked
from sdg_assets.stages.trained_checkpoints import merge_recipe
from sdg_assets.workspace import open_workspace
from sdg_training.reporting import clear_progress, print_line
from sdg_training.reporting import print_progress as print_progress_line

_SETTING = re.compile(r"(?P<stage>\w+)\.(?P<field>\w+)=(?P<value>.*)", re.DOTALL)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one partition's run."""

    partition: Partition
    run_id: str
    materialised: tuple[str, ...]
    failed: Mapping[str, str]  # stage -> error
    warnings: Mapping[str, str]  # check -> what it says
    seconds: float


def run_partitions(
    keys: Sequence[str],
    upto: str,
    only: str | None,
    profile: str | None,
    settings: Sequence[str],
) -> bool:
    """Whether every partition went through; says what happened to each."""
    partitions = [parse_argument(key) for key in keys]
    chosen = check_stages(only.split(",")) if only else None
    check_stages([upto])
    config = parse_settings(settings)
    check_profile(profile, config)
    plans = [chosen or stages_of_kind(kind, upto) for kind in check_registered(partitions)]
    check_evaluation_sets(dict(zip(partitions, plans, strict=True)), config)
    good = True
    for partition, stages in zip(partitions, plans, strict=True):
        outcome = run_stages(partition, stages, profile=profile, config=config)
        show(outcome)
        good = good and not outcome.failed
    return good


def parse_settings(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Launchpad configuration by stage of ``STAGE.FIELD=VALUE`` entries.

    Raises:
        SettingsError: an entry is not written so, there is no such stage or field, or the value
            does not fit it.
    """
    config: dict[str, dict[str, Any]] = {}
    for entry in settings:
        match = _SETTING.fullmatch(entry)
        if match is None:
            raise SettingsError(f"{entry!r} is not STAGE.FIELD=VALUE: write text_qa.limit=50")
        check_stages([match["stage"]])
        try:
            value = yaml.safe_load(match["value"])
        except yaml.YAMLError as error:
            raise SettingsError(
                f"the value of {entry!r} is not YAML: {explain_yaml(error)}"
            ) from error
        config.setdefault(match["stage"], {})[match["field"]] = value
    for stage in STAGES:
        try:
            stage.config.model_validate(config.get(stage.name, {}))
        except ValidationError as error:
            problems = "\n".join(f"  {problem}" for problem in explain(error, stage.config))
            raise SettingsError(f"--set {stage.name}.… is wrong:\n{problems}") from error
    return config


def check_profile(profile: str | None, config: Mapping[str, Mapping[str, Any]]) -> None:
    """Before hours of other stages: whether each profile is there, and the changed recipe right.

    Raises:
        SettingsError: one of them is wrong.
    """
    common = profile or open_workspace().settings.profile
    used = {
        name: load_profile(config.get(name, {}).get("profile") or common) for name in stage_names()
    }
    changes = config.get("trained_checkpoints", {}).get("recipe", {})
    merge_recipe(used["trained_checkpoints"].recipe, changes)


def check_evaluation_sets(
    plans: Mapping[Partition, Sequence[str]], config: Mapping[str, Mapping[str, Any]]
) -> None:
    """Before a training: whether what is to score it will be there.

    Raises:
        SettingsError: an evaluation set has no examples, and none of ``plans`` makes them.
    """
    scored = [partition for partition, stages in plans.items() if "rouge_l_scores" in stages]
    if not scored:
        return
    workspace = open_workspace()
    named = config.get("rouge_l_scores", {}).get("evaluate_on", ())
    made = {
        each.partition for each in read_finished(workspace) if each.stage == "training_examples"
    }
    made |= {partition for partition, stages in plans.items() if "training_examples" in stages}
    for partition in scored:
        names = choose_evaluation_sets(workspace.corpus(partition.corpus), named)
        asked = (
            each for n in names for each in list_asked(workspace.corpus(n), partition.language)
        )
        if missing := next((each for each in asked if each not in made), None):
            raise SettingsError(
                f"{partition} is scored on {missing}, which has no training_examples yet: "
                f"`{program()} run {missing.corpus}/{missing.language}` first, or name other "
                "corpora with --set rouge_l_scores.evaluate_on=[...]"
            )


def stage_names() -> list[str]:
    """In graph order."""
    return [stage.name for stage in STAGES]


def check_stages(stages: Sequence[str]) -> list[str]:
    """
    Raises:
        SettingsError: one of them is no stage.
    """
    for name in stages:
        if name not in stage_names():
            raise SettingsError(f"no stage {name!r}: write one of {', '.join(stage_names())}")
    return list(stages)


def stages_upto(last: str) -> list[str]:
    """The stages in graph order, up to and with ``last``."""
    check_stages([last])
    return stage_names()[: stage_names().index(last) + 1]


def stages_of_kind(kind: str, last: str) -> tuple[str, ...]:
    """The stages that corpora of ``kind`` have, up to and with ``last``.

    Raises:
        SettingsError: there is none.
    """
    upto = stages_upto(last)
    stages = tuple(stage.name for stage in STAGES if kind in stage.kinds and stage.name in upto)
    if not stages:
        raise SettingsError(f"a {kind} corpus has no stage up to {last}: choose a later one")
    return stages


def check_registered(partitions: Sequence[Partition]) -> list[str]:
    """The kind of each partition's corpus.

    Raises:
        CorpusError: a corpus is not registered.
        PartitionKeyError: it does not have that language.
    """
    workspace = open_workspace()
    configs = [workspace.corpus(partition.corpus) for partition in partitions]
    for partition, config in zip(partitions, configs, strict=True):
        if not config.speaks(partition.language):
            raise PartitionKeyError(
                f"{config.name} has {', '.join(config.languages)}, not {partition.language}: add "
                f"it with `{program()} languages add {partition.language} --corpora {config.name}`"
            )
    return [config.kind for config in configs]


def run_stages(
    partition: Partition,
    stages: Sequence[str],
    *,
    profile: str | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Materialise ``stages`` of ``partition`` in one run, in this process.

    Args:
        config: launchpad configuration by stage.

    Raises:
        KeyboardInterrupt: Ctrl-C has ended it.
    """
    dagsters_watch.__file__ = watch_orphans.__file__
    common = {"profile": profile} if profile else {}
    ops = {s: {"config": {**common, **(config or {}).get(s, {})}} for s in stages}
    start, run_id = time.monotonic(), str(uuid.uuid4())
    with (
        open_instance() as instance,
        alive(instance, home_folder() / "dagster" / "processes") as tags,
        listening(print_progress),
        telling_of_waits(instance, run_id, print_line),
    ):
        add_partitions([partition], instance)
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": ops, **QUIET},
            partition_key=key_of(partition),
            asset_selection=[dg.AssetKey(stage) for stage in stages],
            instance=instance,
            tags=tags,
            run_id=run_id,
            raise_on_error=False,
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    if was_interrupted(result):
        raise KeyboardInterrupt
    return read_outcome(partition, result, time.monotonic() - start)


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a signal has ended the run; Dagster takes it for a failure like any other."""
    return any(
        event.is_job_failure
        and event.job_failure_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
    )


def read_outcome(
    partition: Partition, result: dg.ExecuteInProcessResult, seconds: float
) -> Outcome:
    failed = read_failures(result.all_events)
    if not result.success and not failed:
        failed["run"] = "the run did not succeed; see its log in the web UI (make dev)"
    checks = result.get_asset_check_evaluations()
    return Outcome(
        partition=partition,
        run_id=result.run_id,
        materialised=tuple(
            event.asset_key.to_user_string()
            for event in result.get_asset_materialization_events()
            if event.asset_key
        ),
        failed=failed,
        warnings={
            f"{check.asset_key.to_user_string()}.{check.check_name}": check.description or ""
            for check in checks
            if not check.passed
        },
        seconds=seconds,
    )


def read_failures(events: Iterable[dg.DagsterEvent | None]) -> dict[str, str]:
    """The error of each stage that failed."""
    failed = {}
    for event in events:
        if event is not None and event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            stage = str(event.step_key).split(".")[0]
            failed[stage] = say_plainly(cause.message) if cause else "unknown error"
    return failed


def print_progress(progress: Progress) -> None:
    print_progress_line(str(progress), is_last=progress.done == progress.total)


def show(outcome: Outcome) -> None:
    clear_progress()
    done = ", ".join(outcome.materialised)
    stages = done or ("nothing was made" if outcome.failed else "nothing to do")
    say((str(outcome.partition), "bold"), f"  {stages}  ", (f"{outcome.seconds:.1f} s", "dim"))
    for check, said in outcome.warnings.items():
        say("  ", ("check", "yellow"), f" {check}: {said}")
    for stage, error in outcome.failed.items():
        say("  ", ("failed", "red"), f" {stage}: {error}")
