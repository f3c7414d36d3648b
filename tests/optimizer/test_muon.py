"""Muon, against torch's class for the matrices and AdamW for the rest."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.theta import Layout, Slot, adopt
from runner.linalg.newton_schulz import orthogonalized
from runner.optimizer.muon import Muon
from tests.optimizer.problems import Given, apart, batches, network, trained


def both(lr: float, steps: int, **arguments: Any) -> Tensor:
    """theta of the network by torch's Muon for its matrices and torch's AdamW for its biases."""
    module = network()
    matrices = [p for p in module.parameters() if p.dim() == 2]
    others = [p for p in module.parameters() if p.dim() != 2]
    decay = arguments["weight_decay"]
    live = [torch.optim.Muon(matrices, lr=lr, **arguments), torch.optim.AdamW(others, lr=lr, weight_decay=decay)]
    for _, (x, y) in zip(range(steps), batches(), strict=False):
        module.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        for one in live:
            one.step()
    return adopt(module)[0]


ARGUMENTS = [
    (Muon(), {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.1}),
    (Muon(adjust="original"), {"adjust_lr_fn": "original", "weight_decay": 0.1}),
    (
        Muon(mu=0.5, nesterov=False, ns_steps=3, weight_decay=0.0),
        {"momentum": 0.5, "nesterov": False, "ns_steps": 3, "weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"},
    ),
]


@pytest.mark.parametrize(("rule", "arguments"), ARGUMENTS, ids=["default", "original scale", "plain momentum"])
def test_a_hundred_steps_are_those_of_torch_in_our_precision(
    rule: Muon, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch works out the orthogonal factor in bfloat16; with its own products in float64 the iterates are ours
    monkeypatch.setattr(
        "torch.optim._muon._zeropower_via_newtonschulz",
        lambda matrix, coefficients, steps, eps: orthogonalized(matrix, steps, coefficients, eps),
    )
    assert apart(trained(rule, lambda t: 0.01, 100), both(0.01, 100, **arguments)) < 1e-12


@pytest.mark.parametrize(("rule", "arguments"), ARGUMENTS, ids=["default", "original scale", "plain momentum"])
def test_a_step_is_that_of_torch_to_the_precision_of_bfloat16(rule: Muon, arguments: dict[str, Any]) -> None:
    start = trained(rule, lambda t: 0.1, 0)
    ours, theirs = trained(rule, lambda t: 0.1, 1) - start, both(0.1, 1, **arguments) - start
    assert 1e-5 < apart(ours, theirs) < 0.1  # bfloat16 has 8 bits, and a step enlarges what the one before rounded


def test_a_convolution_is_a_matrix_with_one_row_for_each_output() -> None:
    module = nn.Conv2d(3, 2, 2, bias=False).double()
    theta, layout = adopt(module)
    before = theta.clone()
    g = torch.randn(24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rule = Muon(weight_decay=0.0)
    rule.step(theta, rule.start(theta, layout), Given(repeat(g)), 0.1, 1)
    step = -0.1 * 0.2 * 12**0.5 * orthogonalized(g.view(2, 12), 5)
    torch.testing.assert_close(theta - before, step.flatten(), rtol=1e-11, atol=1e-14)


def test_rows_of_runs_are_the_single_runs() -> None:
    layout = Layout((Slot("w", (2, 3), 0, 6), Slot("b", (2,), 6, 2)))
    numbers = torch.Generator().manual_seed(0)
    rows, gradients = (torch.randn(4, 3, 8, generator=numbers, dtype=torch.float64) for _ in range(2))
    rows = rows[0]
    singles = [row.clone() for row in rows]
    rule = Muon()
    state, states = rule.start(rows, layout), [rule.start(single, layout) for single in singles]
    for t, g in enumerate(gradients, start=1):
        rule.step(rows, state, Given(repeat(g)), 0.1, t)
        for k, single in enumerate(singles):
            rule.step(single, states[k], Given(repeat(g[k])), 0.1, t)
    torch.testing.assert_close(rows, torch.stack(singles), rtol=1e-11, atol=1e-13)


def test_the_scale_is_that_of_its_source() -> None:
    assert Muon().scale(200, 100) == pytest.approx(0.2 * 200**0.5)
    assert Muon(adjust="original").scale(200, 50) == 2.0
    assert Muon(adjust="original").scale(50, 200) == 1.0
    assert Muon().equivalent_to(0.1) is None
