"""Trains a speech LM: ``python -m sdg_training.train --config FILE``, or :func:`train`.

    examples: examples.parquet    # a table as the asset training_examples has it
    blobs: file:///data/blobs     # the store that its column shard is relative to
    output: checkpoints/first
    recipe: {encoder: tiny, llm: tiny, lora: {rank: 8}, epochs: 3}

On several GPUs or machines: ``torchrun --nproc-per-node 8 -m sdg_training.train --config FILE``, or
``accelerate launch --multi_gpu``. The same recipe makes the same updates of the same batches on
however many processes; only dropout differs, which each process draws for itself, and that several
processes do not keep a frozen encoder's output (in float16), but compute it anew.
"""

import argparse
import math
import shutil
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
import yaml
from pydantic import ValidationError
from torch import nn
from transformers import EarlyStoppingCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from sdg_training.batches import (
    Pool,
    RankSampler,
    build_pools,
    count_batches,
    measure_plan,
    open_usable,
)
from sdg_training.checkpoint import TENSORBOARD, CheckpointError, build_model, save_checkpoint
from sdg_training.code_version import find_code_version
from sdg_training.collator import Collator, ItemSource
from sdg_training.curves import Curves
from sdg_training.encoder_cache import EncodedRecordings, encode_recordings
from sdg_training.examples import (
    Examples,
    ExamplesError,
    SkipLog,
    compose,
    select_unskipped,
)
from sdg_training.interrupts import INTERRUPTED, ending_on_interrupt
from sdg_training.meter import Meter
from sdg_training.precision import wants_bfloat16
from sdg_training.recipe import Recipe, TrainConfig
from sdg_training.recordings import Recordings
from sdg_training.reporting import PrintReporter, Reporter, open_reporter
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor
from sdg_training.salm.cross_attention import FusionAttention
from sdg_training.states import TrainingError, claim, find_state, hold, meter_file
from sdg_training.trainer import METRIC, SALMTrainer, Watch
from sdg_training.validation import build_validation

_CURVE = 500  # points that a curve in the metrics has at most


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run; ``metrics`` is what the checkpoint's metrics.json holds."""

    checkpoint: Path
    metrics: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"checkpoint": str(self.checkpoint), **self.metrics}


def train(config: TrainConfig, reporter: Reporter | None = None) -> TrainResult:
    """Trains by ``config.recipe`` and writes the checkpoint's folder, whole or not at all.

    A run that was killed goes on from its newest state in ``config.work``, with the same losses as
    if nothing had been.

    Raises:
        ExamplesError: the table cannot be used, or none of its examples can.
        TrainingError: the output exists already, ``config.work`` holds another run, the number of
            processes does not divide an update's batches, or the loss is no longer a number.
    """
    reporter, recipe = reporter or PrintReporter(), config.recipe
    if config.output.exists():
        raise TrainingError(f"{config.output} exists already: remove it, or write elsewhere")
    torch.manual_seed(recipe.seed)
    model, processor = build_model(recipe)
    work = config.work or config.output.with_name(f".{config.output.name}.run")
    arguments = build_arguments(recipe, work, has_validation=config.validation is not None)
    with hold(work, is_first=arguments.process_index == 0):
        trainer, examples, pools = build_trainer(config, model, processor, arguments, reporter)
        state = find_state(work, arguments.world_size)
        if arguments.process_index == 0:
            trainer.add_callback(Curves(work / TENSORBOARD, state))
        trainer.add_callback(Watch(trainer, reporter))  # the last to save: then a state is whole
        if state is not None:
            load_meter(trainer.meter, state / meter_file(arguments.process_index), work)
            reporter.log(f"going on from {state}")
        with limit_threads(recipe.cpu_threads):
            trainer.train(resume_from_checkpoint=None if state is None else str(state))
        return finish(trainer, config, work, examples, pools, reporter)


def build_trainer(
    config: TrainConfig,
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    arguments: TrainingArguments,
    reporter: Reporter,
) -> tuple[SALMTrainer, Examples, list[Pool]]:
    """The run before its first update, the examples that it can use, and their items by task.

    Raises:
        ExamplesError, TrainingError: as :func:`train` says.
    """
    recipe, work, world = config.recipe, Path(str(arguments.output_dir)), arguments.world_size
    is_first = arguments.process_index == 0
    model.to(arguments.device)  # type: ignore[arg-type]
    choose_attention(model, arguments.device)
    if is_first:
        reporter.log(describe_parameters(model))
    skips = SkipLog()
    examples = open_usable(config.examples, processor, recipe, skips, to_train=True)
    if is_first:
        claim(work, recipe, examples, world)
    arguments.distributed_state.wait_for_everyone()  # type: ignore[union-attr]
    source = open_source(model, processor, examples, config, world, reporter)
    pools = build_pools(examples, processor, recipe)
    if not any(len(pool.items) for pool in pools):
        raise ExamplesError(
            f"no example serves the tasks {', '.join(pool.task for pool in pools)}: they need the "
            "column context, what the recording says"
        )
    total = count_batches(pools, recipe)
    sampler = RankSampler(pools, recipe, total, arguments.process_index, world)
    arguments.max_steps = math.ceil(len(sampler) / arguments.gradient_accumulation_steps)
    most = min(recipe.max_tokens, model.config.num_positions)
    trainer = SALMTrainer(
        model,
        arguments,
        recipe,
        ItemSource(source, recipe.augment, recipe.seed),
        sampler,
        Collator(processor, most, recipe.asr_question, always_hear=world > 1),
        Meter(skips=skips, running=world),
        build_validation(model, processor, config, reporter),
    )
    if recipe.early_stopping is not None:
        trainer.add_callback(EarlyStoppingCallback(recipe.early_stopping.patience))
    return trainer, examples, pools


def load_meter(meter: Meter, path: Path, work: Path) -> None:
    """
    Raises:
        TrainingError: another version of sdg wrote the state.
    """
    try:
        meter.load(path)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise TrainingError(
            f"{path} was written by another version of sdg ({error}): go on with that version, or "
            f"remove {work} to begin anew"
        ) from error


@contextmanager
def limit_threads(count: int | None) -> Iterator[None]:
    """``count`` threads for torch's work on a CPU, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_attention(model: SALMForConditionalGeneration, device: torch.device) -> None:
    """The kernels that are fast and right in a backward pass on ``device``."""
    if device.type == "cpu":  # where fused attention is slow backwards
        model.llm.set_attn_implementation("eager")
        for module in model.modules():
            if isinstance(module, FusionAttention):
                module.is_fused = False
    elif device.type == "cuda":  # cuDNN's gradients can be NaN where rows are masked (torch#196678)
        torch.backends.cuda.enable_cudnn_sdp(False)


def build_arguments(recipe: Recipe, work: Path, has_validation: bool) -> TrainingArguments:
    """What transformers' Trainer has to know; making it starts the processes' conversation.

    Raises:
        TrainingError: there are no validation examples to stop early by, or the number of
            processes does not divide an update's batches.
    """
    stopping = recipe.early_stopping
    if stopping is not None and not has_validation:
        raise TrainingError(
            "early_stopping needs validation examples, and there are none: give the corpus a "
            "validation split, or leave early_stopping out of the recipe"
        )
    on_cpu = not torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=1,  # known when the examples are
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        max_grad_norm=recipe.max_grad_norm,
        bf16=wants_bfloat16(recipe.precision, on_cpu=on_cpu),
        use_cpu=on_cpu,
        activation_checkpointing=recipe.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        ddp_find_unused_parameters=True,  # a batch of text alone uses no fusion
        ddp_broadcast_buffers=False,  # the first process's statistics; see ShareStatistics
        logging_strategy="steps",
        logging_steps=recipe.log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=stopping.every if stopping else recipe.save_every,
        save_total_limit=2,
        eval_strategy="steps" if stopping else "no",
        eval_steps=stopping.every if stopping else None,
        load_best_model_at_end=stopping is not None,
        restore_callback_states_from_checkpoint=True,  # early stopping's patience
        metric_for_best_model=METRIC,
        greater_is_better=True,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        seed=recipe.seed,
    )
    if arguments.n_gpu > 1:  # one process, one GPU: torchrun starts one for each
        arguments._n_gpu = 1
    if recipe.accumulate % arguments.world_size:
        raise TrainingError(
            f"an update is made of {recipe.accumulate} batches (recipe.accumulate), which "
            f"{arguments.world_size} processes cannot share: make it a multiple of that"
        )
    arguments.gradient_accumulation_steps = recipe.accumulate // arguments.world_size
    return arguments


def open_source(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    examples: Examples,
    config: TrainConfig,
    world: int,
    reporter: Reporter,
) -> Recordings | EncodedRecordings:
    """Where samples come from: the blob store, or a frozen encoder's states, computed now.

    Several processes would each compute all of them: they read the recordings instead, as they are
    read where each epoch changes them.
    """
    recordings, recipe = Recordings(examples, config.blobs), config.recipe
    is_same = recipe.freeze_encoder and recipe.augment is None  # each time a recording is heard
    if is_same and recipe.cache_encoder and world == 1:
        return encode_recordings(model, processor, recordings, recipe, reporter)
    return recordings


def finish(
    trainer: SALMTrainer,
    config: TrainConfig,
    work: Path,
    examples: Examples,
    pools: Sequence[Pool],
    reporter: Reporter,
) -> TrainResult:
    """Writes the checkpoint, from the first process, with what all of them did."""
    model, processor = trainer.accelerator.unwrap_model(trainer.model), trainer.collator.processor
    model.eval()
    weights = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    meter = merge_meters(trainer.meter)
    used = select_unskipped(examples, meter.skips)
    padding, padding_at_random = measure_plan(pools, trainer.recipe)
    metrics = {
        **measure_run(used, meter, trainer.recipe),
        "kept_update": trainer.state.best_global_step or meter.updates,  # whose weights these are
        "table": config.examples,
        "table_digest": examples.digest,
        "code_version": find_code_version(),
        "composition": compose(used),
        "skipped_examples": meter.skips.name(),
        "items": {pool.task: round(pool.weight * len(pool.items)) for pool in pools},
        "padding_share": round(padding, 4),
        "padding_share_at_random": round(padding_at_random, 4),
        "processes": trainer.args.world_size,
        "distributed": trainer.accelerator.distributed_type.value,  # NO, MULTI_GPU, FSDP ...
        "trained_parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "parameters": sum(w.numel() for w in model.parameters()),
    }
    if trainer.args.process_index == 0:
        for line in meter.skips.describe():
            reporter.log(line)
        save_checkpoint(
            config.output,
            model,
            processor,
            trainer.recipe,
            metrics,
            config.lineage,
            work / TENSORBOARD,
            weights,
        )
        shutil.rmtree(work, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return TrainResult(config.output, metrics)


def merge_meters(own: Meter) -> Meter:
    """The counts of all processes together."""
    if not torch.distributed.is_initialized():
        return own
    meters: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(meters, own)
    for other in meters[1:]:
        meters[0].merge(other)
    merged: Meter = meters[0]
    return merged


def measure_run(used: Examples, meter: Meter, recipe: Recipe) -> dict[str, Any]:
    """The figures of a run over the examples ``used``; hours are those of distinct recordings."""
    durations = used.durations[used.find_recordings()]
    every = math.ceil(len(meter.loss) / _CURVE) or 1
    return {
        "examples": len(used),
        "audio_hours": round(float(durations.sum()) / 3600, 4),
        "updates": meter.updates,
        "seconds": round(meter.seconds, 2),
        **meter.get_rates(),
        "teraflops": float(f"{meter.teraflops:.4g}"),
        "final_loss": float(np.mean(meter.loss[-max(1, len(meter.loss) // 20) :])),
        "skipped": meter.skips.count(),
        "curve_every": every * recipe.log_every,  # updates from one point of a curve to the next
        "loss": meter.loss[::every],
        "learning_rate": meter.learning_rate[::every],
        "validation": meter.validation,  # pairs of update and ROUGE-L
    }


def describe_parameters(model: nn.Module) -> str:
    """Trained and frozen weights of each part."""
    lines = []
    for name, part in model.named_children():
        counts = Counter[bool]()
        for weight in part.parameters():
            counts[weight.requires_grad] += weight.numel()
        lines.append(f"{name}: {counts[True]:,} weights trained, {counts[False]:,} frozen")
    return "\n".join(lines)


def load_config(path: Path) -> TrainConfig:
    """A YAML or JSON file.

    Raises:
        TrainingError: it is not readable, or a field is unknown or wrong.
    """
    try:
        with path.open(encoding="utf-8") as file:  # which YAML's errors name
            return TrainConfig.model_validate(yaml.safe_load(file))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise TrainingError(f"{path} is no training configuration: {error}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sdg_training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML or JSON: a TrainConfig")
    path = parser.parse_args(arguments).config
    # accelerate's of its own: what we ask for has no other name in transformers yet.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    transformers_logging.set_verbosity_error()
    with ending_on_interrupt(), open_reporter() as reporter:
        status = _run(path, reporter)
    sys.exit(status)


def _run(path: Path, reporter: PrintReporter) -> int:
    """Train by the configuration in ``path``; the exit status. Whatever fails is reported."""
    try:
        reporter.finish(train(load_config(path), reporter).to_dict())
    except (TrainingError, ExamplesError, CheckpointError, OSError) as error:
        reporter.fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        reporter.fail(f"{type(error).__name__}: {error}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    main()
