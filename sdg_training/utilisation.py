"""How much of a GPU's arithmetic a training run uses: model FLOPs utilisation.

MFU as in PaLM (arXiv 2204.02311, appendix B), except that FLOPs are not estimated from the number
of weights, of which most are frozen: torch counts them in the first batches, those of what hears by
the frame and those of all else by the token, and later batches have as many for theirs. For LLMs of
usual proportions that is right to a few percent, less so where attention outweighs all else.
Padding counts, and so does the second forward pass of gradient checkpointing, as in hardware
utilisation.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Result = TypeVar("Result")

_COUNTED = 3  # batches

# Dense bfloat16 tensor products, per second, of the makers' data sheets.
PEAKS = {
    "B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12,
    "L40S": 362e12, "L40": 181e12, "L4": 121e12, "A10": 125e12, "RTX 4090": 165e12,
}  # fmt: skip


def find_peak(device: str) -> float | None:
    """FLOPs per second of a GPU by the name that CUDA gives; None where that is not known.

    >>> find_peak("NVIDIA H100 80GB HBM3")
    989000000000000.0
    """
    return next((peak for name, peak in PEAKS.items() if name in device), None)


@dataclass(slots=True)
class FlopRate:
    """Floating point operations per frame or token, from the first few batches that have some."""

    flops: float = 0.0
    units: int = 0
    batches: int = 0

    @property
    def is_known(self) -> bool:
        return self.batches >= _COUNTED

    def add(self, flops: float, units: int) -> None:
        self.flops += flops
        self.units += units
        self.batches += 1

    def estimate(self, units: int) -> float:
        """FLOPs of so many frames or tokens."""
        return units * self.flops / max(1, self.units)


def count_frames(inputs: Mapping[str, Any]) -> int:
    """Encoder frames of a batch (or samples, for HuBERT), with padding."""
    masks = (inputs[name] for name in ("encoder_mask", "input_features_mask") if name in inputs)
    return sum(mask.numel() for mask in masks)


@dataclass(frozen=True, slots=True)
class Flops:
    """Floating point operations of a batch, forward and backward."""

    hearing: float  # of encoder, adapter and projector
    reading: float  # of all else


def count_flops(
    act: Callable[[], Result], hearing: Sequence[nn.Module], passes: int = 3
) -> tuple[Result, Flops]:
    """What ``act`` returns, and how much torch did for it.

    Only the sum over both directions is exact. Backward, a part is taken to do twice what it did
    forward, or nothing where nothing in it is trained.

    Args:
        hearing: parts of the model, which take part in ``act`` once at most.
        passes: forward passes that a trained part costs in all; one more where activations are
            computed twice.
    """
    with FlopCounterMode(display=False) as counter, ExitStack() as hooks:
        forward: dict[nn.Module, int] = {}

        def enter(part: nn.Module, *_: Any) -> None:
            forward[part] = -counter.get_total_flops()

        def leave(part: nn.Module, *_: Any) -> None:
            forward[part] += counter.get_total_flops()

        for part in hearing:
            hooks.callback(part.register_forward_pre_hook(enter).remove)
            hooks.callback(part.register_forward_hook(leave).remove)
        result = act()
    heard = float(sum(n * (passes if _is_trained(part) else 1) for part, n in forward.items()))
    total = counter.get_total_flops()
    return result, Flops(min(heard, total), max(total - heard, 0.0))


def _is_trained(part: nn.Module) -> bool:
    return any(weight.requires_grad for weight in part.parameters())
