"""Tests of two optimizers in one."""

import torch
from torch import nn
from torch.optim import Muon, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sdg_training.muon import Float32Muon, MuonWithAdamW


def make() -> tuple[nn.Module, MuonWithAdamW, LambdaLR]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    optimizer = MuonWithAdamW(model.named_parameters(), 0.01, 0.01)
    return model, optimizer, LambdaLR(optimizer, lambda step: 1 / (step + 1))


def update(model: nn.Module, optimizer: MuonWithAdamW, schedule: LambdaLR, count: int) -> None:
    inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(count):
        model(inputs).pow(2).sum().backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def test_both_parts_learn_at_the_scheduled_rates() -> None:
    model, optimizer, schedule = make()
    before = [weight.detach().clone() for weight in model.parameters()]
    update(model, optimizer, schedule, 1)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert [group["lr"] for group in optimizer.param_groups] == [0.017 / 2, 0.01 / 2]
    assert all(weight.grad is None for weight in model.parameters())


def test_it_goes_on_from_its_state_as_if_nothing_had_been() -> None:
    model, optimizer, schedule = make()
    update(model, optimizer, schedule, 5)
    again, resumed, its_schedule = make()
    update(again, resumed, its_schedule, 3)
    weights, state, at = again.state_dict(), resumed.state_dict(), its_schedule.state_dict()
    last, reloaded, last_schedule = make()
    last.load_state_dict(weights)
    reloaded.load_state_dict(state)
    last_schedule.load_state_dict(at)
    update(last, reloaded, last_schedule, 2)
    for wanted, found in zip(model.parameters(), last.parameters(), strict=True):
        assert torch.equal(wanted, found)


def test_in_float32_it_is_torch_s_but_for_rounding() -> None:
    """For wide and for tall matrices; torch's own rounds to eight bits."""
    weights = []
    for kind in (Muon, Float32Muon):
        torch.manual_seed(0)
        own = [nn.Parameter(torch.randn(shape)) for shape in ((8, 24), (24, 8))]
        settings = {"lr": 0.1, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
        optimizer: Optimizer = kind(own, **settings)
        for _ in range(3):
            sum(weight.pow(3).sum() for weight in own).backward()
            optimizer.step()
            optimizer.zero_grad()
        weights.append(own)
    for theirs, ours in zip(*weights, strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.01, rtol=0.0)
        assert not ours.equal(theirs)
