"""A speech LM trained on a partition's training split, in a process of its own."""

import hashlib
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import Field, ValidationError

from sdg_assets.errors import UserError
from sdg_assets.explaining import explain
from sdg_assets.quality.contamination import COLUMNS, find_shown, keep_served, summarise
from sdg_assets.settings import SettingsError, merge_fields
from sdg_assets.stages.evaluation_sets import choose_evaluation_sets, read_test_split
from sdg_assets.stages.model_config import list_fields, make_config, read_changes
from sdg_assets.stages.run import (
    MissingInputError,
    StageConfig,
    StageResult,
    StageRun,
    content_hash,
)
from sdg_assets.stages.stage import ALL_KINDS, stage
from sdg_assets.stages.views import markdown_table, plot_curves
from sdg_training.code_version import find_code_version
from sdg_training.lineage import Contamination, Lineage
from sdg_training.recipe import Recipe, TrainConfig

Row = dict[str, Any]
_RATES = (
    "examples_per_second", "audio_hours_per_hour", "tokens_per_second", "teraflops", "mfu",
)  # fmt: skip

RecipeConfig = make_config(Recipe, unset="Left out: as in the profile.")


class TrainedCheckpointsConfig(StageConfig):
    recipe: RecipeConfig = Field(  # type: ignore[valid-type]
        default=RecipeConfig(),
        description="What differs from the profile's recipe, for example {epochs: 1, "
        f"learning_rate: 0.0005, lora: {{rank: 8}}}}. Fields: {list_fields(Recipe)}.",
    )
    processes: int = Field(
        1,
        ge=1,
        description="Processes on this machine that train together, as many as it has GPUs. They "
        "make the same updates as one.",
    )


@stage(
    kinds=ALL_KINDS,
    upstream=["training_examples"],
    group="training",
    tools=frozenset({"torch", "duckdb"}),
    pool="training",
    automatic=False,
)
def trained_checkpoints(run: StageRun, config: TrainedCheckpointsConfig) -> StageResult:
    """One checkpoint, which knows the version of the data that it was trained on.

    The same examples, recipe and code give the same checkpoint id; one that is in the store
    already is not trained again, and a training that was killed goes on from its newest state.
    """
    recipe = merge_recipe(run.profile.recipe, read_changes(config.recipe))
    examples = _training_split(run)
    checkpoint_id = identify(examples, recipe)
    prefix = f"checkpoints/{run.corpus.name}/{run.language}/{checkpoint_id}"
    work = run.workspace.trainings / checkpoint_id
    output = _locate_output(work)
    stored = _stored_metrics(run, prefix)
    if stored is None and not output.exists():
        lineage = Lineage(
            checkpoint_id=checkpoint_id,
            corpus=run.corpus.name,
            language=run.language,
            snapshot=run.version,
            run_id=run.run_id,
            code_version=find_code_version(),
            contamination=_find_contamination(run, keep_served(examples, recipe)),
        )
        _train(run, examples, recipe, work, lineage, config.processes)
    # An output is whole: trained now, or by a run that ended before it was stored.
    metrics = _store(run, work, prefix) if stored is None or output.exists() else stored
    row = {
        "checkpoint_id": checkpoint_id,
        "uri": prefix,
        "data_snapshot": run.version,
        "examples": metrics["examples"],
        "audio_hours": metrics["audio_hours"],
        "recipe": recipe.model_dump_json(),
        "composition": json.dumps(metrics["composition"], ensure_ascii=False),
        "metrics": json.dumps(metrics),
        "code_version": find_code_version(),
        "trained_at": datetime.now(UTC),
    }
    return StageResult([row], rows_in=examples.num_rows, metadata=_describe(row, metrics))


class NothingToTrainOnError(UserError):
    """The training split is empty."""


def merge_recipe(base: Recipe, changes: dict[str, Any]) -> Recipe:
    """
    Raises:
        SettingsError: a field of ``changes`` is unknown or wrong; says which.
    """
    try:
        return Recipe.model_validate(merge_fields(base.model_dump(), changes))
    except ValidationError as error:
        raise SettingsError(f"the recipe is wrong: {'; '.join(explain(error, Recipe))}") from error


def identify(examples: pa.Table, recipe: Recipe) -> str:
    text = f"{content_hash(examples)}|{recipe.model_dump_json()}|{find_code_version()}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _find_contamination(run: StageRun, examples: pa.Table) -> dict[str, Contamination]:
    """By evaluation set, of those that are there."""
    found = {}
    for corpus in choose_evaluation_sets(run.corpus):
        try:
            asked = read_test_split(run, corpus).select(COLUMNS).to_pylist()
        except MissingInputError:
            continue
        found[corpus] = summarise(find_shown(asked, examples), asked)
    return found


def _training_split(run: StageRun) -> pa.Table:
    run.require("training_examples")
    examples = _read_split(run, "train")
    if examples.num_rows == 0:
        raise NothingToTrainOnError(
            f"training_examples of {run.corpus.name}|{run.language} has no row of the split train: "
            "look at its metadata, and at what was dropped or quarantined before it"
        )
    return examples


def _read_split(run: StageRun, split: str) -> pa.Table:
    return run.workspace.lake.read(
        "training_examples",
        where={**run.where, "split": split},
        version=run.version,
        order_by=["example_id"],
    )


def _stored_metrics(run: StageRun, prefix: str) -> dict[str, Any] | None:
    files = {blob.key for blob in run.workspace.blobs.find(prefix)}
    key = f"{prefix}/metrics.json"
    if key not in files:
        return None
    with run.workspace.blobs.open(key) as file:
        metrics: dict[str, Any] = json.load(file)
    return metrics


def _train(
    run: StageRun,
    examples: pa.Table,
    recipe: Recipe,
    work: Path,
    lineage: Lineage,
    processes: int,
) -> None:
    """Train in other processes, in ``work``, which is gone when its checkpoint is there."""
    work.mkdir(parents=True, exist_ok=True)
    tables = {"examples": examples, "validation": _read_split(run, "validation")}
    inputs = {name: work / f"{name}.parquet" for name, table in tables.items() if table.num_rows}
    path = work / "config.yaml"
    try:
        for name, file in inputs.items():
            pq.write_table(tables[name], file)
        config = TrainConfig(
            **{name: str(file) for name, file in inputs.items()},
            blobs=run.workspace.blobs.url,
            output=_locate_output(work),
            work=work,
            recipe=recipe,
            lineage=lineage,
        )
        path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
        run.launch([*_start(processes), "-m", "sdg_training.train", "--config", str(path)])
    finally:
        for file in (*inputs.values(), path):
            file.unlink(missing_ok=True)


def _store(run: StageRun, work: Path, prefix: str) -> dict[str, Any]:
    """Move a finished checkpoint into the blob store; its metrics."""
    output = _locate_output(work)
    run.workspace.blobs.put_folder(prefix, output)
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(output.rename(work))  # half of it must not be there by its name
    return metrics


def _locate_output(work: Path) -> Path:
    """The checkpoint of a training, until it is in the store."""
    return work.with_name(f"{work.name}-checkpoint")


def _start(processes: int) -> list[str]:
    if processes == 1:
        return [sys.executable]
    together = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *together]


def _describe(row: Row, metrics: dict[str, Any]) -> dict[str, Any]:
    composition: dict[str, dict[str, int]] = json.loads(row["composition"])
    every = metrics["curve_every"]
    curves = {
        name: [(i * every, value) for i, value in enumerate(metrics[name])]
        for name in ("loss", "learning_rate")
    }
    curves["validation ROUGE-L"] = metrics["validation"]
    shown = [
        {"of": of, "value": value, "examples": count}
        for of, counts in composition.items()
        for value, count in list(counts.items())[:10]
    ]
    return {
        "checkpoint": row["checkpoint_id"],
        "uri": row["uri"],
        "trained_on_version": row["data_snapshot"],
        "examples": row["examples"],
        "hours": row["audio_hours"],
        "final_loss": metrics["final_loss"],
        "training_seconds": metrics["seconds"],
        **{rate: metrics[rate] for rate in _RATES if rate in metrics},
        "padding_share": metrics["padding_share"],
        "skipped": metrics["skipped"],
        "composition": dg.MetadataValue.md(markdown_table(shown)),
        "plot": dg.MetadataValue.md(plot_curves(curves, "update")),
    }
