"""transformers' Trainer with our batches, optimizer, schedule, and validation by ROUGE-L.

One epoch of the Trainer is the whole run: our plan goes through the data as often as the recipe
says, and an exact resume is that plan from where it stopped.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from sdg_training.batches import RankSampler
from sdg_training.checkpoint import writing
from sdg_training.collator import Batch, Collator, ItemSource
from sdg_training.meter import Meter
from sdg_training.muon import MuonWithAdamW
from sdg_training.recipe import Recipe
from sdg_training.reporting import Progress, Reporter
from sdg_training.salm import SALMForConditionalGeneration
from sdg_training.salm.batch_norm import average_statistics, find_batch_norms
from sdg_training.states import TrainingError, meter_file
from sdg_training.utilisation import count_flops, count_frames

METRIC = "eval_rouge_l"


class SALMTrainer(Trainer):
    """
    Args:
        sampler: this process's batches of the whole run.
        meter: is told what each update used.
        validate: ROUGE-L of the model on unseen examples.
    """

    def __init__(
        self,
        model: SALMForConditionalGeneration,
        arguments: TrainingArguments,
        recipe: Recipe,
        source: ItemSource,
        sampler: RankSampler,
        collator: Collator,
        meter: Meter,
        validate: Callable[[], float] | None = None,
    ) -> None:
        self.recipe, self.source, self.sampler = recipe, source, sampler
        self.collator, self.meter, self.validate = collator, meter, validate
        self.hearing = (model.encoder, model.adapter, model.projector)
        self.adapted = [each for each in model.modules() if isinstance(each, BaseTunerLayer)]
        # The Trainer wants to see a dataset where it evaluates; our ``validate`` has its own.
        super().__init__(model, arguments, eval_dataset=None if validate is None else source)
        if not (self.is_fsdp_enabled and arguments.bf16):  # where accelerate does so itself
            keep_whole(model)
        if self.is_fsdp_enabled:
            keep_every_layer(model.encoder)
        self.model_accepts_loss_kwargs = True  # the loss is a mean over the tokens of an update
        self.remove_callback(PrinterCallback)
        self.add_callback(FillGradients())
        if arguments.world_size > 1:
            self.add_callback(ShareStatistics(model, arguments.world_size))

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(
            self.source,
            batch_sampler=self.sampler,
            collate_fn=self.collator,
            num_workers=self.recipe.num_workers,
        )

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Tensor]:
        """An update's batches, and for how many tokens of all of them a loss is due."""
        batches = list(islice(epoch_iterator, num_batches))
        self.meter.add_batches(batches)
        inputs = [batch.inputs for batch in batches]
        items = self._get_num_items_in_batch(inputs, device)
        return inputs, torch.as_tensor(items).clamp(min=1)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nothing, see utilisation.py: the Trainer would walk through the model at each update."""
        return 0

    def compute_loss(self, model: nn.Module, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        loss: Any = super().compute_loss(model, {**inputs, "use_cache": False}, *args, **kwargs)
        if not loss.requires_grad:  # nothing that is trained took part: text alone, without LoRA
            weight = next(weight for weight in model.parameters() if weight.requires_grad)
            loss = loss + 0.0 * weight.sum()
        return loss

    def training_step(self, model: nn.Module, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Forward and backward; of the first batches floating point operations are counted."""
        step = partial(super().training_step, model, inputs, *args, **kwargs)
        with leave_casts_to_autocast(self.adapted if self.args.bf16 else []):
            frames, meter = count_frames(inputs), self.meter
            is_known = meter.reading.is_known and (meter.hearing.is_known or not frames)
            if is_known or self.is_fsdp_enabled:  # whose pieces torch cannot count
                return step()
            passes = 3 + self.recipe.gradient_checkpointing
            loss, flops = count_flops(step, self.hearing, passes)
        meter.reading.add(flops.reading, inputs["attention_mask"].numel())
        if frames:
            meter.hearing.add(flops.hearing, frames)
        return loss

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        if self.optimizer is None:
            if self.recipe.optimizer == "muon" and self.is_fsdp_enabled:
                raise TrainingError(
                    "muon needs whole matrices, and FSDP cuts them: choose adam or adamw, or DDP"
                )
            whole: Any = model or self.model
            self.optimizer = build_optimizer(whole, self.recipe)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: Optimizer | None = None
    ) -> LambdaLR:
        """By the share of the updates done, or of the time where that is limited."""
        limit = (self.recipe.max_minutes or math.inf) * 60

        def compute_factor(update: int) -> float:
            spent = self.agree(self.meter.seconds) / limit if limit < math.inf else 0.0
            share = max((update + 0.5) / num_training_steps, spent)
            return schedule(min(share, 1.0), self.recipe.warmup_share)

        if self.lr_scheduler is None:
            scheduled: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(scheduled, compute_factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """ROUGE-L of the validation examples; every process answers all of them."""
        assert self.validate is not None
        started = time.monotonic()
        rouge_l = self.agree(self.validate())
        self.meter.add_validation(self.state.global_step, rouge_l, time.monotonic() - started)
        metrics = {METRIC: rouge_l}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        with writing(Path(str(self.args.output_dir))):
            super()._save_checkpoint(*args, **kwargs)

    def agree(self, value: float) -> float:
        """The first process's value, in every process: clocks and sums differ between them."""
        values = self.accelerator.gather(torch.tensor([value], device=self.args.device))
        return float(values[0])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the rates so far, for every place that logs go to."""
        super().log({**logs, **self.meter.get_rates()})


class FillGradients(TrainerCallback):
    """A weight that took no part in an update has a gradient of zero, not none.

    Adam leaves weights without a gradient alone, and moves those with zero by their momentum. Which
    of the two an update of text alone gives would else depend on the number of processes.
    """

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        for group in kwargs["optimizer"].param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)


class ShareStatistics(TrainerCallback):
    """After each update all processes have the mean of their batch norms' statistics.

    Each sees a share of an update's batches, and forgets as fast as one that sees them all.
    """

    def __init__(self, model: nn.Module, processes: int) -> None:
        self._norms = find_batch_norms(model)
        for norm in self._norms:
            if norm.momentum is not None:
                norm.momentum = 1 - (1 - norm.momentum) ** processes

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        average_statistics([norm for norm in self._norms if norm.training])


class Watch(TrainerCallback):
    """Tells what goes on, saves the meter with each state, stops at the time limit."""

    def __init__(self, trainer: SALMTrainer, reporter: Reporter) -> None:
        self._trainer, self._meter, self._reporter = trainer, trainer.meter, reporter
        self._limit = (trainer.recipe.max_minutes or math.inf) * 60

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._meter.start()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._meter.stop()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        logs = state.log_history[-1]
        if "loss" not in logs:
            return
        update, loss = state.global_step, logs["loss"]
        if not math.isfinite(loss):
            names = ", ".join(example.example_id for example in self._meter.last[:3])
            raise TrainingError(
                f"the loss is {loss} at update {update}, in examples {names} ...: lower the "
                "learning rate, or look at these examples"
            )
        self._meter.add_point(update, loss, logs["learning_rate"])
        if state.is_world_process_zero:
            figures = {"loss": loss, "learning_rate": logs["learning_rate"]}
            self._reporter.progress(
                Progress(
                    "training",
                    update,
                    self._estimate_last(state),
                    "updates",
                    self._meter.seconds,
                    {**figures, **self._meter.get_rates()},
                )
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._meter.updates = state.global_step
        if self._limit < math.inf and self._trainer.agree(self._meter.seconds) >= self._limit:
            control.should_training_stop = True
        if control.should_training_stop or state.global_step >= state.max_steps:
            control.should_log = True  # the last update, whatever the recipe's log_every

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        update, rouge_l = self._meter.validation[-1]
        if state.is_world_process_zero:
            self._reporter.log(f"validation after {update} updates: ROUGE-L {rouge_l:.3f}")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        with writing(folder):
            self._meter.save(folder / meter_file(args.process_index))

    def _estimate_last(self, state: TrainerState) -> int:
        """The last update of the plan, or the one that the time limit will come at."""
        if self._limit == math.inf:
            return state.max_steps
        slowness = max(1.0, self._limit / max(self._meter.seconds, 1e-9))
        return min(state.max_steps, math.ceil(state.global_step * slowness))


@contextmanager
def leave_casts_to_autocast(adapted: Sequence[BaseTunerLayer]) -> Iterator[None]:
    """peft would cast what enters LoRA to its weights' float32, and autocast back to bfloat16.

    As peft's ``disable_input_dtype_casting``, which walks through all modules to find these.
    """
    for layer in adapted:
        layer.cast_input_dtype_enabled = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for layer in adapted:
            layer.cast_input_dtype_enabled = True  # type: ignore[attr-defined]


def keep_whole(model: nn.Module) -> None:
    """Trained weights, and the statistics beside them, in float32, whatever a checkpoint has: small
    updates vanish in bfloat16.
    """
    for module in model.modules():
        weights = list(module.parameters(recurse=False))
        if any(weight.requires_grad for weight in weights):
            for tensor in (*weights, *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.float()


def keep_every_layer(encoder: nn.Module) -> None:
    """No layer is left out at random (layerdrop): processes that share the weights (FSDP) wait for
    each other at every layer, and each draws for itself.
    """
    for module in encoder.modules():
        for holder in (module, getattr(module, "config", None)):
            for name in ("layerdrop", "encoder_layerdrop"):
                if hasattr(holder, name):
                    setattr(holder, name, 0.0)


def schedule(share: float, warmup_share: float) -> float:
    """The learning rate, of its peak, after ``share`` of the run: a rise, then a cosine to zero."""
    if share < warmup_share:
        return share / warmup_share
    if warmup_share == 1.0:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (share - warmup_share) / (1 - warmup_share)))


def build_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """What the recipe names, over what is trained; matrices decay, biases and norms do not (with
    muon they do).
    """
    if recipe.optimizer == "muon":
        named = [(name, w) for name, w in model.named_parameters() if w.requires_grad]
        return MuonWithAdamW(named, recipe.learning_rate, recipe.weight_decay)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in trained if w.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [w for w in trained if w.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.learning_rate, fused=True)
