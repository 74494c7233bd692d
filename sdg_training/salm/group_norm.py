"""HuBERT's group norm, which normalises over a whole recording, told where a recording ends."""

import torch
from torch import Tensor, nn

from sdg_training.salm.cross_attention import mask_of_lengths


def mask_group_norms(encoder: nn.Module) -> "list[MaskedGroupNorm]":
    """Puts one in the place of each group norm, with the same weights."""
    masked = []
    for name, module in list(encoder.named_modules()):
        if type(module) is nn.GroupNorm:
            own = MaskedGroupNorm(module.num_groups, module.num_channels, module.eps)
            own.weight, own.bias = module.weight, module.bias
            parent, _, child = name.rpartition(".")
            setattr(encoder.get_submodule(parent), child, own)
            masked.append(own)
    return masked


class MaskedGroupNorm(nn.GroupNorm):
    """One group per channel, over the frames that are real: padding changes nothing.

    ``lengths``, (B,), frames of each recording, are set before each pass.
    """

    lengths: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        if self.lengths is None:
            return super().forward(input)
        real = mask_of_lengths(self.lengths, input.shape[-1])[:, None]  # (B, 1, T)
        count = self.lengths[:, None, None].clamp(min=1)
        states = input.float()
        mean = (states * real).sum(-1, keepdim=True) / count
        centred = (states - mean) * real
        variance = centred.square().sum(-1, keepdim=True) / count
        normed = centred * torch.rsqrt(variance + self.eps)
        return (normed * self.weight[:, None] + self.bias[:, None]).to(input.dtype)
