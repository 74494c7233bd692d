"""How a plain function ``(StageRun, config) -> StageResult`` becomes a partitioned Dagster asset.

The ``stage`` decorator leaves partitions alone that the corpus's kind does not have, stores what
the function returns, and reports metadata.

Dagster skips a step when one of its inputs has no output. A stage with several alternative
upstream stages (a corpus has transcripts *or* pseudo-labels) would so be skipped for every corpus;
such stages are graph assets whose one operation takes all of them as a single fan-in input, which
is skipped only when all of them are.
"""

import inspect
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

import dagster as dg
import pyarrow as pa

from sdg_assets.corpora import explain_nothing
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import parse_partition
from sdg_assets.partitions import grid
from sdg_assets.progress import Progress, Report, get_listener, listening, telling
from sdg_assets.remedies import find_remedy
from sdg_assets.resources import WorkspaceResource
from sdg_assets.settings import load_profile
from sdg_assets.stages.flow import flow_into
from sdg_assets.stages.launch import launch
from sdg_assets.stages.run import (
    CODE_VERSION,
    StageConfig,
    StageResult,
    StageRun,
    choose,
    commit,
    content_hash,
)
from sdg_assets.stages.usage import describe_engines
from sdg_assets.stages.views import preview_table, rejects_table, round_figures
from sdg_assets.workspace import Workspace

# Both are pinned with Dagster, and announced at every step otherwise.
warnings.filterwarnings("ignore", message=".*data_version.*", category=dg.BetaWarning)

ALL_KINDS = frozenset({"labelled_speech", "unlabelled_speech", "text_qa", "mixture"})
SPEECH_KINDS = frozenset({"labelled_speech", "unlabelled_speech"})
PROGRESS_SECONDS = 5.0

BuildStage = Callable[[StageRun, Any], StageResult]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage and all that Dagster needs to know of it.

    ``upstream`` with more than one member are alternatives. ``pool``: at most so many of a pool's
    steps run at once (``dagster.yaml``). ``automatic``: newer input asks for a new
    materialisation. ``may_be_first``: it also runs where none of its upstream has an output.
    """

    build: BuildStage
    kinds: frozenset[str]
    upstream: tuple[str, ...]
    group: str
    tools: frozenset[str]
    pool: str | None
    automatic: bool
    may_be_first: bool

    @property
    def name(self) -> str:
        return self.build.__name__

    @property
    def config(self) -> type[StageConfig]:
        hinted: type[StageConfig] = get_type_hints(self.build)["config"]
        return hinted

    def applies(self, corpus: CorpusConfig, language: str) -> bool:
        return corpus.kind in self.kinds and corpus.speaks(language)

    def to_asset(self) -> dg.AssetsDefinition:
        return _graph_asset(self) if len(self.upstream) > 1 else _plain_asset(self)


def stage(
    *,
    kinds: frozenset[str],
    upstream: Sequence[str] = (),
    group: str,
    tools: frozenset[str],
    pool: str | None = None,
    automatic: bool = True,
    may_be_first: bool = False,
) -> Callable[[BuildStage], Stage]:
    """Make a stage of a function; its name, docstring and config class are the asset's."""
    return partial(
        Stage,
        kinds=kinds,
        upstream=tuple(upstream),
        group=group,
        tools=tools,
        pool=pool,
        automatic=automatic and bool(upstream),
        may_be_first=may_be_first,
    )


def execute(
    stage: Stage, context: Any, config: StageConfig, workspace: WorkspaceResource
) -> Iterator[dg.Output]:
    """One partition of ``stage``; yields nothing where the stage does not apply."""
    tell = partial(_tell, context, get_listener())
    with telling(tell, PROGRESS_SECONDS) as report, listening(report):
        output = _materialise(stage, context, config, workspace.open(), report)
    if output is not None:
        yield output


def open_run(
    name: str, context: Any, config: StageConfig, workspace: Workspace, report: Report
) -> StageRun:
    """
    Raises:
        PartitionKeyError: the run's partition key is not CORPUS|LANGUAGE.
        UnknownCorpusError: its corpus is not registered.
        SettingsError: the profile does not exist or is wrong.
    """
    partition = parse_partition(str(context.partition_key))
    return StageRun(
        stage=name,
        corpus=workspace.corpus(partition.corpus),
        language=partition.language,
        workspace=workspace,
        version=workspace.lake.snapshot(),
        profile=load_profile(choose(config.profile, workspace.settings.profile)),
        run_id=context.run_id,
        report=report,
        launch=partial(launch, context),
    )


def describe(
    run: StageRun, result: StageResult, table: pa.Table, snapshot: int, seconds: float
) -> dict[str, Any]:
    """The metadata that every materialisation carries, then the stage's own."""
    metadata: dict[str, Any] = {"dagster/row_count": table.num_rows, "rows_out": table.num_rows}
    if result.rows_in is not None:
        metadata["rows_in"] = result.rows_in
    if "duration" in table.column_names:
        metadata["hours"] = sum(table.column("duration").to_pylist()) / 3600
    metadata["quarantined"] = len(result.rejects)
    if result.rejects:
        counts = Counter(reject.reason for reject in result.rejects)
        metadata["quarantined_by_reason"] = dict(counts.most_common())
        metadata["what_to_do"] = {reason: find_remedy(run.stage, reason) for reason in counts}
        metadata["quarantine"] = dg.MetadataValue.md(rejects_table(result.rejects))
    metadata |= {"seconds": seconds, "snapshot": snapshot, "read_version": run.version}
    metadata |= {**describe_engines(run.engines), **result.metadata}
    if table.num_rows:
        metadata["preview"] = dg.MetadataValue.md(preview_table(table))
    return round_figures(metadata)


def _materialise(
    stage: Stage, context: Any, config: StageConfig, workspace: Workspace, report: Report
) -> dg.Output | None:
    run = open_run(stage.name, context, config, workspace, report)
    if not stage.applies(run.corpus, run.language):
        context.log.info(
            f"{stage.name} does not apply to {run.corpus.name}|{run.language} "
            f"({run.corpus.kind}, {', '.join(run.corpus.languages)}): nothing to do"
        )
        return None
    start = time.monotonic()
    result = stage.build(run, config)
    seconds = time.monotonic() - start
    if not stage.upstream and not result.rows_in:
        context.log.warning(f"{run.corpus.name}: {explain_nothing(run.corpus, run.language)}")
    table, snapshot = commit(run, config, result, seconds)
    return dg.Output(
        None,
        metadata=describe(run, result, table, snapshot, seconds),
        data_version=dg.DataVersion(content_hash(table)),
    )


def _tell(context: Any, listener: Report | None, progress: Progress) -> None:
    context.log.info(str(progress))
    if listener is not None:
        listener(progress)


def _plain_asset(stage: Stage) -> dg.AssetsDefinition:
    return dg.asset(
        _compute(stage),
        **_common(stage),
        deps=list(stage.upstream),
        pool=stage.pool,
        output_required=False,
        dagster_type=dg.Nothing,
        code_version=CODE_VERSION,
    )


def _graph_asset(stage: Stage) -> dg.AssetsDefinition:
    operation = dg.op(
        name=f"build_{stage.name}",
        ins={"upstream": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing, is_required=False, code_version=CODE_VERSION),
        pool=stage.pool,
    )(_compute(stage))
    begin = dg.op(name=f"begin_{stage.name}", out=dg.Out(dg.Nothing))(_begin)

    def compose(**inputs: Any) -> Any:
        return operation([*inputs.values(), *([begin()] if stage.may_be_first else [])])

    asset: dg.AssetsDefinition = dg.graph_asset(
        **_common(stage),
        ins={name: dg.AssetIn(name, dagster_type=dg.Nothing) for name in stage.upstream},
        config=dg.ConfigMapping(
            config_fn=lambda values: {operation.name: {"config": values}},
            config_schema=stage.config.to_fields_dict(),
        ),
    )(compose)
    return asset


def _begin() -> None:
    """A source that always has an output."""


def _compute(stage: Stage) -> Callable[..., Iterator[dg.Output]]:
    """The function that Dagster calls; it learns from the annotations what to hand over."""

    def compute(context, config, workspace):  # type: ignore[no-untyped-def]
        yield from execute(stage, context, config, workspace)

    compute.__annotations__ |= {"config": stage.config, "workspace": WorkspaceResource}
    return compute


def _common(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "partitions_def": grid,
        "group_name": stage.group,
        "kinds": set(stage.tools),
        "description": inspect.getdoc(stage.build),
        "automation_condition": flow_into(stage.applies) if stage.automatic else None,
    }
