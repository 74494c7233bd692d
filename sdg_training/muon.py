"""Muon for the matrices between hidden features, AdamW for all else, as one optimizer.

Muon (Jordan et al., 2024; in torch since 2.9) learns the copying on which question answering rests
in about half of AdamW's steps.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from sdg_training.precision import has_bfloat16

MUON_FACTOR = 1.7  # of AdamW's learning rate
BETAS = (0.9, 0.98)
NOT_HIDDEN = ("embed", "head", "bias")  # matrices by shape, but not maps between hidden features


class MuonWithAdamW(Optimizer):
    """Their parameter groups are its own, so that a schedule reaches both.

    Args:
        named: names and weights; those of two dimensions go to Muon unless their names say that
            they are no maps between hidden features.
    """

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        hidden: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, weight in named:
            is_hidden = weight.ndim == 2 and not any(part in name for part in NOT_HIDDEN)
            (hidden if is_hidden else others).append(weight)
        super().__init__(hidden + others, {"lr": learning_rate})
        self._parts: list[Optimizer] = []
        if hidden:
            kind = Muon if has_bfloat16(on_cpu=hidden[0].device.type == "cpu") else Float32Muon
            self._parts.append(
                kind(
                    hidden,
                    lr=MUON_FACTOR * learning_rate,
                    weight_decay=weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            self._parts.append(
                AdamW(others, lr=learning_rate, betas=BETAS, weight_decay=weight_decay)
            )
        self._share_groups()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor | None:  # type: ignore[override]
        for part in self._parts:
            part.step()
        return None

    def state_dict(self) -> dict[str, Any]:
        return {str(number): part.state_dict() for number, part in enumerate(self._parts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for number, part in enumerate(self._parts):
            part.load_state_dict(state_dict[str(number)])
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [group for part in self._parts for group in part.param_groups]


class Float32Muon(Muon):
    """torch's Muon with ``adjust_lr_fn="match_rms_adamw"``, multiplying in float32.

    Torch's own multiplies in bfloat16 whatever the processor.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
        update = orthogonalise(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(update, alpha=group["lr"] * 0.2 * math.sqrt(max(weight.shape)))


def orthogonalise(matrix: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    """The nearest matrix with singular values about 1, by Newton and Schulz's iteration."""
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    result = matrix.T if is_tall else matrix
    result = result / result.norm().clamp(min=eps)
    for _ in range(steps):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result.T if is_tall else result
