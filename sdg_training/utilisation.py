"""How much of a GPU's arithmetic a training run uses: model FLOPs utilisation.

MFU as in PaLM (arXiv 2204.02311, appendix B), except that the FLOPs of an update are counted by
torch as it runs and not estimated from the number of weights: most of ours are frozen, and a speech
encoder's are used once per frame, not per token. Gradient checkpointing counts its second forward
pass, as hardware utilisation would.
"""

from collections.abc import Callable
from typing import TypeVar

from torch.utils.flop_counter import FlopCounterMode

Result = TypeVar("Result")

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


def count_flops(act: Callable[[], Result]) -> tuple[Result, int]:
    """What ``act`` returns, and how many floating point operations torch did for it."""
    with FlopCounterMode(display=False) as counter:
        result = act()
    return result, counter.get_total_flops()
