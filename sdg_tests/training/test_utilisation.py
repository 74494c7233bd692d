"""Tests of how much arithmetic a run does."""

import pytest
import torch
from torch import nn

from sdg_training.utilisation import Flops, count_flops, find_peak


def test_a_matrix_product_is_counted_forwards_and_backwards() -> None:
    left = torch.ones(3, 5, requires_grad=True)
    right = torch.ones(5, 7, requires_grad=True)
    result, flops = count_flops(lambda: (left @ right).sum().backward(), [])
    assert result is None
    assert flops == Flops(hearing=0, reading=3 * (2 * 3 * 5 * 7))


@pytest.mark.parametrize("is_trained", [True, False])
def test_what_hears_is_told_from_what_reads(is_trained: bool) -> None:
    hears, reads = nn.Linear(5, 7), nn.Linear(7, 11)
    hears.requires_grad_(is_trained)
    model = nn.Sequential(hears, nn.ReLU(), reads)
    states = torch.ones(3, 5, requires_grad=is_trained)
    _, flops = count_flops(lambda: model(states).sum().backward(), [hears])
    assert flops.hearing == (3 if is_trained else 1) * 2 * 3 * 5 * 7
    assert flops.reading == (3 if is_trained else 2) * 2 * 3 * 7 * 11
    assert not hears._forward_hooks


@pytest.mark.parametrize(
    ("name", "peak"),
    [("NVIDIA H100 PCIe", 756e12), ("NVIDIA H200", 989e12), ("NVIDIA L40S", 362e12),
     ("NVIDIA A100-SXM4-80GB", 312e12), ("Tesla K80", None)],
)  # fmt: skip
def test_the_peak_of_a_gpu_is_known_by_its_name(name: str, peak: float | None) -> None:
    assert find_peak(name) == peak
