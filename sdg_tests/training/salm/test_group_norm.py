"""Group norms that know where a recording ends."""

import torch
from torch import nn

from sdg_training.salm.group_norm import MaskedGroupNorm, mask_group_norms


def build() -> tuple[nn.GroupNorm, MaskedGroupNorm]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Sequential(nn.GroupNorm(6, 6)))
    norm = model[0][0]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    [masked] = mask_group_norms(model)
    assert model[0][0] is masked
    assert masked.weight is norm.weight
    return norm, masked


def test_without_padding_it_is_the_group_norm() -> None:
    norm, masked = build()
    states = 2 + 3 * torch.randn(4, 6, 50)
    torch.testing.assert_close(masked(states), norm(states))
    masked.lengths = torch.full((4,), 50)
    torch.testing.assert_close(masked(states), norm(states))


def test_padding_changes_nothing() -> None:
    norm, masked = build()
    states = 2 + 3 * torch.randn(2, 6, 50)
    masked.lengths = torch.tensor([50, 20])
    normed = masked(states)
    torch.testing.assert_close(normed[:1], norm(states[:1]))
    torch.testing.assert_close(normed[1:, :, :20], norm(states[1:, :, :20]))


def test_it_is_computed_in_float32() -> None:
    norm, masked = build()
    states = 100 + torch.randn(1, 6, 5000)
    masked.lengths = torch.tensor([5000])
    normed = masked(states.bfloat16())
    assert normed.dtype == torch.bfloat16
    torch.testing.assert_close(normed.float(), norm(states.bfloat16().float()), atol=0.1, rtol=0.1)
