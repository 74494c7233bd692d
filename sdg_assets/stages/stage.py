"""What every stage shares: how a plain function becomes a partitioned Dagster asset.

A stage is a function ``(StageRun, config) -> StageResult`` that knows nothing of Dagster. The
``stage`` decorator wraps it: it leaves partitions alone that the corpus's kind does not have,
writes rows, quarantine and the materialisation record in one transaction, and reports metadata.

A step of Dagster is skipped when one of its inputs has no output. A stage that has several
alternative upstream stages (a corpus has transcripts *or* pseudo-labels) would so be skipped for
every corpus; those are graph assets whose one operation takes all of them as a single fan-in
input, which is skipped only when all of them are.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, get_type_hints

import dagster as dg
import pyarrow as pa
from pydantic import Field

from sdg_assets.corpora.base import Reject
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import parse_partition
from sdg_assets.partitions import grid
from sdg_assets.progress import Progress, Report, announce, throttle
from sdg_assets.settings import Profile, load_profile
from sdg_assets.stages.views import preview_table, rejects_table
from sdg_assets.storage.lake import Replacement
from sdg_assets.storage.tables import TABLES, identity_column
from sdg_assets.workspace import Workspace, open_workspace

ALL_KINDS = frozenset({"labelled_speech", "unlabelled_speech", "text_qa", "mixture"})
SPEECH_KINDS = frozenset({"labelled_speech", "unlabelled_speech"})
PROGRESS_SECONDS = 5.0

# `eager`, but a stage with alternative inputs never has them all: do not wait for missing ones.
FLOW = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())


class MissingInputError(RuntimeError):
    """What a stage reads has not been materialised for this partition."""


class StageConfig(dg.Config):
    """What every stage's launchpad offers."""

    profile: str | None = Field(
        None,
        description="Engines, prompts, limits and training settings for this run: the name of a "
        "shipped profile (tiny, small, paper) or the path of a YAML file. "
        "Empty: the one that sdg.yaml names.",
    )


class WorkspaceResource(dg.ConfigurableResource):
    """The home folder with the lake, the blobs and the registered corpora."""

    home: str | None = Field(None, description="Empty: $SDG_HOME, else .sdg")

    def open(self) -> Workspace:
        from pathlib import Path

        return open_workspace(Path(self.home) if self.home else None)


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage made. ``rows`` lack the partition columns: they are added on writing."""

    rows: Sequence[Mapping[str, Any]]
    rejects: Sequence[Reject] = ()
    rows_in: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of one partition, under way."""

    stage: str
    corpus: CorpusConfig
    language: str
    workspace: Workspace
    profile: Profile
    run_id: str
    report: Report

    @property
    def where(self) -> dict[str, str]:
        return {"corpus": self.corpus.name, "language": self.language}

    def read(self, table: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Rows of an upstream table for this partition, in a fixed order.

        Raises:
            MissingInputError: that stage was never materialised for this partition.
        """
        if not self.materialised(table):
            raise MissingInputError(
                f"{table} of {self.corpus.name}|{self.language} is not there yet: "
                f"materialise {table} for this partition first, then {self.stage} again"
            )
        return self.workspace.lake.read(
            table, where=self.where, columns=columns, order_by=[identity_column(table)]
        ).to_pylist()

    def materialised(self, stage: str) -> bool:
        found = self.workspace.lake.read(
            "materializations", where={**self.where, "stage": stage}, columns=["stage"]
        )
        return found.num_rows > 0


BuildStage = Callable[[StageRun, Any], StageResult]


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    kinds: frozenset[str]
    build: BuildStage
    asset: dg.AssetsDefinition

    def applies(self, corpus: CorpusConfig, language: str) -> bool:
        return corpus.kind in self.kinds and corpus.speaks(language)


def stage(
    *,
    kinds: frozenset[str],
    upstream: Sequence[str] = (),
    group: str,
    tools: frozenset[str],
    pool: str | None = None,
    automatic: bool = True,
    source: bool = False,
) -> Callable[[BuildStage], Stage]:
    """Make a stage of a function; its name, its docstring and its config class are the asset's.

    Args:
        kinds: the kinds of corpus that have this stage.
        upstream: assets it reads; several of them are alternatives.
        tools: what the UI shows on the node.
        pool: at most so many of a pool's steps run at once (``dagster.yaml``).
        automatic: newer input asks for a new materialisation.
        source: it may be built with none of its upstream (a mixture has only members).
    """

    def wrap(build: BuildStage) -> Stage:
        name = build.__name__
        config_class = get_type_hints(build)["config"]
        execute = _executor(name, kinds, build)
        common = {
            "name": name,
            "partitions_def": grid,
            "group_name": group,
            "kinds": set(tools),
            "description": build.__doc__,
            "automation_condition": FLOW if automatic and upstream else None,
        }
        make = _graph_asset if len(upstream) > 1 else _plain_asset
        asset = make(execute, config_class, tuple(upstream), pool, source, common)
        return Stage(name, kinds, build, asset)

    return wrap


def _plain_asset(
    execute: Callable[..., Iterator[dg.Output]],
    config_class: type[StageConfig],
    upstream: tuple[str, ...],
    pool: str | None,
    source: bool,
    common: dict[str, Any],
) -> dg.AssetsDefinition:
    def compute(context, config, workspace: WorkspaceResource):  # type: ignore[no-untyped-def]
        yield from execute(context, config, workspace)

    compute.__annotations__["config"] = config_class
    return dg.asset(
        **common,
        deps=list(upstream),
        pool=pool,
        output_required=False,
        dagster_type=dg.Nothing,
        code_version=CODE_VERSION,
    )(compute)


def _graph_asset(
    execute: Callable[..., Iterator[dg.Output]],
    config_class: type[StageConfig],
    upstream: tuple[str, ...],
    pool: str | None,
    source: bool,
    common: dict[str, Any],
) -> dg.AssetsDefinition:
    name = common["name"]

    def compute(context, config, workspace: WorkspaceResource):  # type: ignore[no-untyped-def]
        yield from execute(context, config, workspace)

    compute.__annotations__["config"] = config_class
    operation = dg.op(
        name=f"build_{name}",
        ins={"upstream": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing, is_required=False, code_version=CODE_VERSION),
        pool=pool,
    )(compute)
    begin = dg.op(name=f"begin_{name}", out=dg.Out(dg.Nothing))(_begin)

    def compose(**inputs):  # type: ignore[no-untyped-def]
        return operation([*inputs.values(), *([begin()] if source else [])])

    return dg.graph_asset(
        **common,
        ins={key: dg.AssetIn(key, dagster_type=dg.Nothing) for key in upstream},
        config=dg.ConfigMapping(
            config_fn=lambda values: {operation.name: {"config": values}},
            config_schema=config_class.to_fields_dict(),
        ),
    )(compose)


def _begin() -> None:
    """Lets a stage run that may have no upstream at all."""


CODE_VERSION = version("sdg")


def _executor(name: str, kinds: frozenset[str], build: BuildStage) -> Callable[..., Any]:
    def execute(
        context: Any, config: StageConfig, workspace: WorkspaceResource
    ) -> Iterator[dg.Output]:
        run = open_run(name, context, config, workspace.open())
        if run.corpus.kind not in kinds or not run.corpus.speaks(run.language):
            context.log.info(
                f"{name} does not apply to {run.corpus.name}|{run.language} "
                f"({run.corpus.kind}, {', '.join(run.corpus.languages)}): nothing to do"
            )
            return
        start = time.monotonic()
        result = build(run, config)
        built = time.monotonic() - start
        table, snapshot = commit(run, config, result, built)
        yield dg.Output(
            None,
            metadata=describe(result, table, snapshot, built),
            data_version=dg.DataVersion(content_hash(table)),
        )

    return execute


def open_run(name: str, context: Any, config: StageConfig, workspace: Workspace) -> StageRun:
    """
    Raises:
        PartitionKeyError: the run's partition key is not CORPUS|LANGUAGE.
        UnknownCorpusError: its corpus is not registered.
        SettingsError: the profile does not exist or is wrong.
    """
    partition = parse_partition(str(context.partition_key))

    def log(progress: Progress) -> None:
        context.log.info(str(progress))
        announce(progress)

    return StageRun(
        stage=name,
        corpus=workspace.corpus(partition.corpus),
        language=partition.language,
        workspace=workspace,
        profile=load_profile(config.profile or workspace.settings.profile),
        run_id=context.run_id,
        report=throttle(log, PROGRESS_SECONDS),
    )


def commit(
    run: StageRun, config: StageConfig, result: StageResult, seconds: float
) -> tuple[pa.Table, int]:
    """Replace the partition's rows, its quarantine and its record, all in one transaction."""
    table = _table(run.stage, [{**run.where, **row} for row in result.rows])
    quarantine = _table(
        "quarantine",
        [
            {
                **run.where,
                "stage": run.stage,
                "item_id": reject.item_id,
                "reason": reject.reason,
                "detail": reject.detail,
                "source_path": reject.source_path,
            }
            for reject in result.rejects
        ],
    )
    record = _table(
        "materializations",
        [
            {
                **run.where,
                "stage": run.stage,
                "rows": table.num_rows,
                "seconds": seconds,
                "configuration": json.dumps(config.model_dump(), sort_keys=True, default=str),
                "code_version": CODE_VERSION,
                "run_id": run.run_id,
                "finished_at": datetime.now(UTC),
            }
        ],
    )
    this_stage = {**run.where, "stage": run.stage}
    snapshot = run.workspace.lake.replace(
        Replacement(run.stage, table, run.where),
        Replacement("quarantine", quarantine, this_stage),
        Replacement("materializations", record, this_stage),
    )
    return table, snapshot


def describe(
    result: StageResult, table: pa.Table, snapshot: int, seconds: float
) -> dict[str, Any]:
    """The metadata that every materialisation carries, then the stage's own."""
    metadata: dict[str, Any] = {"dagster/row_count": table.num_rows, "rows_out": table.num_rows}
    if result.rows_in is not None:
        metadata["rows_in"] = result.rows_in
    if "duration" in table.column_names:
        hours = sum(table.column("duration").to_pylist()) / 3600
        metadata["hours"] = round(hours, 4)
    metadata["quarantined"] = len(result.rejects)
    if result.rejects:
        counts = Counter(reject.reason for reject in result.rejects)
        metadata["quarantined_by_reason"] = dict(counts.most_common())
        metadata["quarantine"] = dg.MetadataValue.md(rejects_table(result.rejects))
    metadata |= {"seconds": round(seconds, 2), "snapshot": snapshot, **result.metadata}
    if table.num_rows:
        metadata["preview"] = dg.MetadataValue.md(preview_table(table))
    return metadata


def content_hash(table: pa.Table) -> str:
    """The same for the same rows in the same order."""
    digest = hashlib.sha256()
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()[:16]


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])
