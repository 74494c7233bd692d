"""Muon for the matrices between hidden features, AdamW for all else, as one optimizer.

Muon (Jordan et al., 2024; in torch since 2.9) learns the copying on which question answering rests
in about half of AdamW's steps.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

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
            self._parts.append(
                Muon(
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
