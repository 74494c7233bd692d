"""What happens without a person: audio lands, mixtures follow their members, data flows down."""

import time
import warnings
from dataclasses import replace
from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.mixtures import Ingredient, stale_mixtures
from sdg_assets.corpora.registry import CorpusRegistry
from sdg_assets.landing import (
    LandedFolder,
    Memory,
    decide,
    describe_texts,
    dump_cursor,
    fit_corpus,
    load_cursor,
    survey,
)
from sdg_assets.partitions import corpora, key_of, languages, missing_keys
from sdg_assets.resources import WorkspaceResource
from sdg_assets.stages import STAGES
from sdg_assets.workspace import Workspace

# Pinned with Dagster, and announced whenever the code location is loaded otherwise.
warnings.filterwarnings("ignore", message=".*use_user_code_server.*", category=dg.BetaWarning)

LANDING_SECONDS = 10
MIXTURE_SECONDS = 30


@dg.sensor(
    name="landing",
    target=dg.AssetSelection.assets("raw_audio"),
    minimum_interval_seconds=LANDING_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Audio in landing/<corpus>/<language>/ becomes a partition and is ingested, "
    "once its folder has been quiet for a while, or a file named _READY came last.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult:
    opened = workspace.open()
    landing = opened.settings.landing
    memory = load_cursor(context.cursor)
    folders, problems = survey(landing.url, opened.corpora)
    for problem in problems:
        if problem not in memory.told:
            context.log.warning(f"left out of {landing.url}: {problem}")
    decision = decide(
        folders,
        memory.seen,
        time.time(),
        landing.quiet_seconds,
        landing.max_partitions_per_tick,
        read_ingested(opened),
        find_busy(context.instance),
    )
    seen = dict(decision.seen)
    for folder in decision.request:
        note = describe_texts(folder, admit(folder, opened.corpora, landing.url))
        before = seen[str(folder.partition)]
        if note not in ("", before.note):
            context.log.warning(note)
        seen[str(folder.partition)] = replace(before, note=note)
    cursor = dump_cursor(Memory(seen, frozenset(problems)))
    if not decision.request:
        waiting = ", ".join(map(str, decision.waiting))
        reason = f"waiting for {waiting} to be quiet" if waiting else f"nothing new: {landing.url}"
        return dg.SensorResult(skip_reason=reason, cursor=cursor)
    new_corpora, new_languages = missing_keys(
        [folder.partition for folder in decision.request], context.instance
    )
    return dg.SensorResult(
        run_requests=[request_landed(folder) for folder in decision.request],
        dynamic_partitions_requests=[
            corpora.build_add_request(new_corpora),
            languages.build_add_request(new_languages),
        ],
        cursor=cursor,
    )


def request_landed(folder: LandedFolder) -> dg.RunRequest:
    """One run for the whole folder; its key changes with the data, since run keys never repeat."""
    return dg.RunRequest(
        run_key=f"{folder.partition}@{folder.fingerprint}",
        partition_key=key_of(folder.partition),
        asset_selection=[dg.AssetKey("raw_audio")],
        tags={"sdg/landed_files": str(folder.files)},
    )


def admit(folder: LandedFolder, registry: CorpusRegistry, landing_url: str) -> CorpusConfig:
    """Register the corpus of a landed folder, or add the language to it, where that is new.

    Raises:
        CorpusError: the registered corpus of that name does not read what lands.
    """
    registered = registry.find(folder.partition.corpus)
    config = fit_corpus(folder, registered, landing_url)
    if config != registered:
        registry.register(config)
    return config


def list_unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of a partition that have not ended."""
    unfinished = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)
    return [run for run in instance.get_runs(unfinished) if PARTITION_NAME_TAG in run.tags]


def find_busy(instance: dg.DagsterInstance) -> set[str]:
    """Partitions whose data a run that has not ended makes; training reads a fixed version."""
    trained = {stage.name for stage in STAGES if stage.pool == "training"}
    return {
        run.tags[PARTITION_NAME_TAG]
        for run in list_unfinished(instance)
        if not (
            run.asset_selection and {key.to_user_string() for key in run.asset_selection} <= trained
        )
    }


@dg.sensor(
    name="mixtures",
    target=dg.AssetSelection.assets("training_examples"),
    minimum_interval_seconds=MIXTURE_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A mixture's examples are made anew when what it is made of is newer.",
)
def mixture_sensor(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    opened = workspace.open()
    stale = stale_mixtures(opened.corpora.all(), read_finished(opened))
    if not stale:
        return dg.SkipReason("every mixture is as new as what it is made of")
    new_corpora, new_languages = missing_keys(stale, context.instance)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{partition}@{newest.isoformat()}", partition_key=key_of(partition)
            )
            for partition, newest in stale.items()
        ],
        dynamic_partitions_requests=[
            corpora.build_add_request(new_corpora),
            languages.build_add_request(new_languages),
        ],
    )


def read_finished(workspace: Workspace) -> dict[Ingredient, datetime]:
    """When each stage last made each partition."""
    columns = ["stage", "corpus", "language", "finished_at"]
    rows = workspace.lake.read("materializations", columns=columns).to_pylist()
    return {
        Ingredient(row["stage"], Partition(row["corpus"], row["language"])): row["finished_at"]
        for row in rows
    }


def read_ingested(workspace: Workspace) -> dict[str, float]:
    """When the last ingestion of each partition began, in seconds since the epoch."""
    rows = workspace.lake.read("materializations", where={"stage": "raw_audio"})
    return {
        str(Partition(row["corpus"], row["language"])): row["finished_at"].timestamp()
        - row["seconds"]
        for row in rows.to_pylist()
    }


flow_sensor = dg.AutomationConditionSensorDefinition(
    name="flow",
    target=dg.AssetSelection.all(),
    use_user_code_server=True,  # the conditions look into the registered corpora
    emit_backfills=False,  # one run per partition
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Newer data flows down to training_examples.",
)

sensors = [landing_sensor, mixture_sensor, flow_sensor]
