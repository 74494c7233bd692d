"""Running statistics of batch norms."""

import torch
from torch import nn

from sdg_training.salm.batch_norm import find_batch_norms, still_statistics


def test_what_passes_in_between_leaves_no_trace() -> None:
    norms = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.BatchNorm1d(3)).train()
    norms(torch.randn(4, 3, 5))
    before = {name: tensor.clone() for name, tensor in norms.state_dict().items()}
    states = 9 + torch.randn(4, 3, 5)
    expected = nn.functional.batch_norm(states, None, None, training=True)
    with still_statistics(find_batch_norms(norms)):
        torch.testing.assert_close(norms[0](states), expected)
        norms(states)
    assert all(before[name].equal(tensor) for name, tensor in norms.state_dict().items())
    norms(states)
    assert norms[0].running_mean.mean() > before["0.running_mean"].mean() + 0.5
    assert int(norms[0].num_batches_tracked) == 2


def test_only_what_keeps_statistics_is_found() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.LayerNorm(3))
    assert find_batch_norms(model) == []
