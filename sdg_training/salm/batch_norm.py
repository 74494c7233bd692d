"""Running statistics of batch norms: what must leave them alone, and one set for all processes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def find_batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Those that keep running statistics."""
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]


@contextmanager
def still_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """What passes meanwhile is normalised as ever, and leaves no trace."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def average_statistics(norms: Sequence[_BatchNorm]) -> None:
    """Gives every process the mean of what all of them saw."""
    buffers: list[Tensor] = [
        b for n in norms for b in (n.running_mean, n.running_var) if b is not None
    ]
    if not buffers:
        return
    joined = torch.cat([buffer.flatten() for buffer in buffers])
    torch.distributed.all_reduce(joined)
    joined /= torch.distributed.get_world_size()
    for buffer, mean in zip(buffers, joined.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(mean.view_as(buffer))
