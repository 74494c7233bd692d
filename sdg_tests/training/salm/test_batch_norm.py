"""Running statistics of batch norms."""

from pathlib import Path

import torch
import torch.distributed
from torch import multiprocessing, nn

from sdg_training.salm.batch_norm import average_statistics, find_batch_norms, still_statistics


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


def average_in_process(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    norms = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(2))
    for norm in find_batch_norms(norms):
        norm.running_mean.fill_(rank)
        norm.running_var.fill_(2 + 4 * rank)
    average_statistics(find_batch_norms(norms))
    average_statistics([])
    torch.save(norms.state_dict(), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_all_processes_end_with_the_mean_of_what_each_saw(tmp_path: Path) -> None:
    multiprocessing.spawn(average_in_process, (tmp_path,), nprocs=2)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt")
        assert state["0.running_mean"].tolist() == [0.5] * 3
        assert state["1.running_var"].tolist() == [4.0] * 2
