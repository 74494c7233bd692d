"""How much of a GPU's arithmetic a training run uses: model FLOPs utilisation.

MFU as in PaLM (arXiv 2204.02311, appendix B), except that FLOPs are not estimated from the number
of weights, of which most are frozen: torch counts them in the first batches with audio and in the
first without, and the others have as many per encoder frame, or per token. Padding counts, and so
does the second forward pass of gradient checkpointing, as in hardware utilisation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch.utils.flop_counter import FlopCounterMode

Result = TypeVar("Result")

_COUNTED = 3  # batches of each kind

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
    """Floating point operations per frame or token, from the first few batches of a kind."""

    flops: int = 0
    units: int = 0
    batches: int = 0

    @property
    def is_known(self) -> bool:
        return self.batches >= _COUNTED

    def add(self, flops: int, units: int) -> None:
        self.flops += flops
        self.units += units
        self.batches += 1

    def estimate(self, units: int) -> float:
        """FLOPs of so many frames or tokens."""
        return units * self.flops / max(1, self.units)


def count_units(inputs: Mapping[str, Any]) -> tuple[str, int]:
    """What a batch is made of, with padding: encoder frames ("audio"), or tokens alone ("text")."""
    for name in ("encoder_mask", "input_features_mask"):
        if name in inputs and not inputs.get("unheard"):
            return "audio", inputs[name].numel()
    return "text", inputs["attention_mask"].numel()


def count_flops(act: Callable[[], Result]) -> tuple[Result, int]:
    """What ``act`` returns, and how many floating point operations torch did for it."""
    with FlopCounterMode(display=False) as counter:
        result = act()
    return result, counter.get_total_flops()
