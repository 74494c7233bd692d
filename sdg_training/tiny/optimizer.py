"""How every tiny model is optimised: AdamW, warm-up, then a straight line down to zero."""

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

WEIGHT_DECAY = 0.01
WARMUP_SHARE = 0.04


def build_optimizer(model: nn.Module, learning_rate: float, steps: int) -> tuple[AdamW, LambdaLR]:
    """Matrices decay; biases, norms and other vectors do not."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = AdamW(
        [
            {"params": matrices, "weight_decay": WEIGHT_DECAY},
            {"params": vectors, "weight_decay": 0},
        ],
        lr=learning_rate,
        weight_decay=WEIGHT_DECAY,
        betas=(0.9, 0.98),
    )
    warmup = max(1, round(WARMUP_SHARE * steps))
    scheduler = LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    return optimizer, scheduler
