"""How every tiny model is optimised."""

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from sdg_training.muon import MuonWithAdamW

WEIGHT_DECAY = 0.01
WARMUP_STEPS = 30
LARGEST_GRADIENT = 1.0


class Optimization:
    """``steps`` updates of a model, with a short warm-up, then a straight line down to zero."""

    def __init__(self, model: nn.Module, learning_rate: float, steps: int) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._optimizer = MuonWithAdamW(model.named_parameters(), learning_rate, WEIGHT_DECAY)
        self._scheduler = LambdaLR(
            self._optimizer, lambda step: min((step + 1) / WARMUP_STEPS, 1 - step / steps)
        )

    def step(self, loss: Tensor) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad()
