"""How every tiny model is optimised: Muon for its hidden matrices, AdamW for all else.

Muon (Jordan et al., 2024; in torch since 2.9) learns the copying on which everything here rests in
about half of AdamW's steps.
"""

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon
from torch.optim.lr_scheduler import LambdaLR

WEIGHT_DECAY = 0.01
WARMUP_STEPS = 30
LARGEST_GRADIENT = 1.0
MUON_FACTOR = 1.7  # of AdamW's learning rate
NOT_HIDDEN = ("embed", "head", "bias")  # matrices by shape, but not maps between hidden features


class Optimization:
    """``steps`` updates of a model, with a short warm-up, then a straight line down to zero."""

    def __init__(self, model: nn.Module, learning_rate: float, steps: int) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        hidden: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            is_hidden = parameter.ndim == 2 and not any(part in name for part in NOT_HIDDEN)
            (hidden if is_hidden else others).append(parameter)
        self._optimizers = [
            Muon(
                hidden,
                lr=MUON_FACTOR * learning_rate,
                weight_decay=WEIGHT_DECAY,
                adjust_lr_fn="match_rms_adamw",
            ),
            AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY),
        ]
        self._schedulers = [
            LambdaLR(
                optimizer,
                lambda step: min((step + 1) / WARMUP_STEPS, 1 - step / steps),
            )
            for optimizer in self._optimizers
        ]

    def step(self, loss: Tensor) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT)
        for optimizer, scheduler in zip(self._optimizers, self._schedulers, strict=True):
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
