"""Trains a speech LM: ``python -m sdg_training.train --config FILE``, or :func:`train`."""

import argparse
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset
from transformers.utils.logging import disable_progress_bar

from sdg_training.checkpoint import build_model, save_checkpoint
from sdg_training.data import (
    Batch,
    Collator,
    Recordings,
    SkipLog,
    measure_padding,
    plan_batches,
    read_examples,
    select_unskipped,
    select_usable,
)
from sdg_training.encoder_cache import encode_recordings, find_recordings
from sdg_training.recipe import Recipe, TrainConfig
from sdg_training.reporting import PrintReporter, Progress, Reporter, open_reporter
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

Plan = list[NDArray[np.int64]]  # the rows of each batch
_CURVE = 500  # points that a curve in the metrics has at most


class TrainingError(RuntimeError):
    """The run cannot go on: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run; ``metrics`` is what the checkpoint's metrics.json holds."""

    checkpoint: Path
    metrics: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"checkpoint": str(self.checkpoint), **self.metrics}


@dataclass(slots=True)
class Curves:
    """What happened update by update, and in all."""

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    examples: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def updates(self) -> int:
        return len(self.loss)

    def add(self, batches: Sequence[Batch], loss: float, rate: float, seconds: float) -> None:
        self.loss.append(loss)
        self.learning_rate.append(rate)
        self.seconds = seconds
        for batch in batches:
            self.examples += len(batch.examples)
            self.audio_seconds += sum(example.duration for example in batch.examples)

    def get_rates(self) -> dict[str, float]:
        return {
            "examples_per_second": round(self.examples / self.seconds, 2),
            "audio_hours_per_hour": round(self.audio_seconds / self.seconds, 1),
        }


def train(config: TrainConfig, reporter: Reporter | None = None) -> TrainResult:
    """Trains by ``config.recipe`` and writes the checkpoint's folder, whole or not at all.

    Raises:
        ExamplesError: the table cannot be used, or none of its examples can.
        TrainingError: the output exists already, or the loss is no longer a number.
    """
    reporter, recipe = reporter or PrintReporter(), config.recipe
    if config.output.exists():
        raise TrainingError(f"{config.output} exists already: remove it, or write elsewhere")
    torch.manual_seed(recipe.seed)
    model, processor = build_model(recipe)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))  # type: ignore[arg-type]
    reporter.log(describe_parameters(model))
    skips = SkipLog()
    limit = min(recipe.max_audio_seconds, processor.max_seconds)
    table = select_usable(read_examples(config.examples), processor.audio_token, limit, skips)
    source = open_source(model, processor, table, config, reporter)
    durations = table["duration"].to_numpy()
    batches = iterate_batches(source, processor, durations, recipe, skips)
    curves = fit(model, batches, count_updates(durations, recipe), recipe, reporter)
    for line in skips.describe():
        reporter.log(line)
    used = select_unskipped(table, skips)
    metrics = {
        **measure_run(used, curves, skips),
        "padding_share": measure_padding(plan_epoch(durations, recipe, 0), durations),
        "trained_parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "parameters": sum(w.numel() for w in model.parameters()),
    }
    save_checkpoint(config.output, model, processor, recipe, metrics)
    return TrainResult(config.output, metrics)


def open_source(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    table: pa.Table,
    config: TrainConfig,
    reporter: Reporter,
) -> Dataset:
    """Where samples come from: the blob store, or a frozen encoder's states, computed now."""
    recordings = Recordings(table, config.blobs)
    if config.recipe.freeze_encoder and config.recipe.cache_encoder:
        return encode_recordings(model, processor, recordings, config.recipe, reporter)
    return recordings


def plan_epoch(durations: NDArray[np.float64], recipe: Recipe, epoch: int) -> Plan:
    """The rows of each batch, in an order that only the seed and the epoch decide."""
    generator = np.random.default_rng((recipe.seed, epoch))
    return plan_batches(durations, recipe.batch_size, recipe.batch_seconds, generator)


def count_updates(durations: NDArray[np.float64], recipe: Recipe) -> int:
    """Updates of all epochs, or ``max_steps`` where that is less."""
    batches = sum(len(plan_epoch(durations, recipe, epoch)) for epoch in range(recipe.epochs))
    updates = math.ceil(batches / recipe.accumulate)
    return min(updates, recipe.max_steps or updates)


def iterate_batches(
    source: Dataset,
    processor: SALMProcessor,
    durations: NDArray[np.float64],
    recipe: Recipe,
    skips: SkipLog,
) -> Iterator[Batch]:
    """All epochs' batches; what is skipped is counted, and a batch with nothing else left out."""
    collator = Collator(processor, recipe.max_tokens)
    for epoch in range(recipe.epochs):
        plan = plan_epoch(durations, recipe, epoch)
        loader = DataLoader(
            source,
            batch_sampler=[batch.tolist() for batch in plan],
            collate_fn=collator,
            num_workers=recipe.num_workers,
        )
        for batch in loader:
            skips.add(batch.skips)
            if batch.examples:
                yield batch


def fit(
    model: SALMForConditionalGeneration,
    batches: Iterator[Batch],
    total: int,
    recipe: Recipe,
    reporter: Reporter,
) -> Curves:
    """At most ``total`` updates, or fewer where time or batches run out.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    optimizer = build_optimizer(model, recipe)
    precision = open_autocast(recipe.precision, model.device)
    curves, started = Curves(), time.monotonic()
    limit = (recipe.max_minutes or math.inf) * 60
    model.train()
    while curves.updates < total and curves.seconds < limit:
        group = list(islice(batches, recipe.accumulate))
        if not group:
            break
        share = max((curves.updates + 0.5) / total, curves.seconds / limit)
        rate = recipe.learning_rate * schedule(share, recipe.warmup_share)
        loss = update(model, optimizer, group, rate, recipe.max_grad_norm, precision)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at update {curves.updates + 1}, in examples "
                f"{', '.join(ex.example_id for ex in group[0].examples[:3])} ...: "
                "lower the learning rate, or look at these examples"
            )
        curves.add(group, loss, rate, time.monotonic() - started)
        figures = {"loss": loss, "learning_rate": rate, **curves.get_rates()}
        reporter.progress(
            Progress("training", curves.updates, total, "updates", curves.seconds, figures)
        )
    model.eval()
    return curves


def update(
    model: SALMForConditionalGeneration,
    optimizer: Optimizer,
    batches: Sequence[Batch],
    learning_rate: float,
    max_grad_norm: float,
    precision: AbstractContextManager,
) -> float:
    """One step down the gradient of ``batches`` together; returns their mean loss."""
    total = 0.0
    for batch in batches:
        inputs = {
            name: value.to(model.device) if isinstance(value, torch.Tensor) else value
            for name, value in batch.inputs.items()
        }
        with precision:
            loss = model(**inputs, use_cache=False).loss / len(batches)
        loss.backward()
        total += loss.item()
    nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
    optimizer.zero_grad()
    return total


def schedule(share: float, warmup_share: float) -> float:
    """The learning rate, of its peak, after ``share`` of the run: a rise, then a cosine to zero."""
    if share < warmup_share:
        return share / warmup_share
    return 0.5 * (1 + math.cos(math.pi * (share - warmup_share) / (1 - warmup_share)))


def build_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Adam or AdamW over what is trained; matrices decay, biases and norms do not."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in trained if w.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [w for w in trained if w.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.learning_rate, fused=True)


def open_autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """bfloat16 matrix products if they are wanted, or wanted where the processor has them."""
    wanted = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def describe_parameters(model: nn.Module) -> str:
    """Trained and frozen weights of each part."""
    lines = []
    for name, part in model.named_children():
        counts = Counter[bool]()
        for weight in part.parameters():
            counts[weight.requires_grad] += weight.numel()
        lines.append(f"{name}: {counts[True]:,} weights trained, {counts[False]:,} frozen")
    return "\n".join(lines)


def measure_run(used: pa.Table, curves: Curves, skips: SkipLog) -> dict[str, Any]:
    """The figures of a run over the examples ``used``; hours are those of distinct recordings."""
    durations = used["duration"].to_numpy()[find_recordings(used)]
    every = math.ceil(curves.updates / _CURVE)
    return {
        "examples": used.num_rows,
        "audio_hours": round(float(durations.sum()) / 3600, 4),
        "updates": curves.updates,
        "seconds": round(curves.seconds, 2),
        **curves.get_rates(),
        "final_loss": float(np.mean(curves.loss[-max(1, curves.updates // 20) :])),
        "skipped": skips.count(),
        "curve_every": every,  # updates from one point of a curve to the next
        "loss": curves.loss[::every],
        "learning_rate": curves.learning_rate[::every],
    }


def load_config(path: Path) -> TrainConfig:
    """A YAML or JSON file.

    Raises:
        TrainingError: it is not readable, or a field is unknown or wrong.
    """
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise TrainingError(f"{path} is no training configuration: {error}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m sdg_training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML or JSON: a TrainConfig")
    config = load_config(parser.parse_args(arguments).config)
    disable_progress_bar()  # transformers' own: it breaks our lines
    with open_reporter() as reporter:
        reporter.finish(train(config, reporter).to_dict())


if __name__ == "__main__":
    main()
