"""A rule for each element: the same in blocks as in one piece, the same in rows as alone."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch
from torch import Tensor

from runner.core.theta import Layout
from runner.optimizer import base
from runner.optimizer.adagrad import Adagrad
from runner.optimizer.adam import Adam
from runner.optimizer.base import Elementwise
from runner.optimizer.momentum import Momentum
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.rmsprop import RMSprop
from runner.optimizer.sgd import SGD
from tests.contract.rooms import choices, made
from tests.optimizer.problems import Given, flat

RULES = [
    *(made("optimizer", name) for name, cls in choices("optimizer").items() if issubclass(cls, Elementwise)),
    Momentum(mu=0.0),
    Adam(betas=(0, 0.999)),
    Adam(bias_correction="none", eps_placement="inside"),
    Nesterov(mu=0.0),
    Adagrad(eps_placement="none"),
    RMSprop(mu=0.9, centered=True),
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=repr)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

P = 1003  # several blocks and a rest, no multiple of a vector register's 4 or 8 numbers


def randn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64).to(dtype)


def walked(rule: Elementwise, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    """theta and state after five steps with given gradients."""
    theta, gradients = randn(P, dtype=dtype), randn(5, P, dtype=dtype)
    state = rule.start(theta, flat(P))
    for t, g in enumerate(gradients, start=1):
        rule.step(theta, state, Given(repeat(g)), 0.01, t)
    return theta, state


@each_dtype
@each_rule
@pytest.mark.parametrize("block", [64, 1000, 1002])
def test_a_long_theta_in_blocks_is_bitwise_the_same_as_in_one_piece(
    rule: Elementwise, dtype: torch.dtype, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert P <= base.BLOCK
    theta, state = walked(rule, dtype)
    monkeypatch.setattr(base, "BLOCK", block)
    monkeypatch.setattr(type(rule), "update_long", Elementwise.update_long)  # not with a kernel of torch's
    in_blocks, memory = walked(rule, dtype)
    assert torch.equal(in_blocks, theta)
    assert memory.keys() == state.keys()
    for name in state:
        assert torch.equal(torch.as_tensor(memory[name]), torch.as_tensor(state[name]))


@each_rule
def test_a_long_theta_moves_as_the_formula_says_whatever_computes_it(
    rule: Elementwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    theta, state = walked(rule, torch.float64)
    monkeypatch.setattr(base, "BLOCK", 64)
    long, memory = walked(rule, torch.float64)
    # five steps of rounding: torch's kernel divides by the corrections in another order
    torch.testing.assert_close(long, theta, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(memory, state, rtol=1e-12, atol=1e-12)


def test_theta_is_walked_in_blocks_only_where_it_is_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Watched(Elementwise):
        memory = ("v",)

        def update(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
            seen.append((theta.numel(), g.numel(), state["v"].numel(), lr, t))

        def rule(self, lr: float) -> str:
            return ""

    def step() -> None:
        theta, watched = torch.zeros(10), Watched()
        watched.step(theta, watched.start(theta, Layout(())), Given(repeat(torch.zeros(10))), 0.5, 3)

    monkeypatch.setattr(base, "BLOCK", 10)
    step()
    monkeypatch.setattr(base, "BLOCK", 4)
    step()
    assert seen == [(10, 10, 10, 0.5, 3), (4, 4, 4, 0.5, 3), (4, 4, 4, 0.5, 3), (2, 2, 2, 0.5, 3)]


K = 4
LRS = [0.1, 0.01, 0.003, 1.0]


# Both forms of an update round each of about ten operations, in another order: 1e-15 in float64, 5e-7 in float32, over
# ten steps.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@each_rule
def test_rows_with_a_rate_each_are_the_single_runs(rule: Elementwise, dtype: torch.dtype, tolerance: float) -> None:
    start, gradients = randn(K, P, dtype=dtype), randn(10, K, P, dtype=dtype)
    rows, lrs = start.clone(), torch.tensor(LRS, dtype=dtype).unsqueeze(1)
    state = rule.start(rows, flat(P))
    singles = [row.clone() for row in start]
    states = [rule.start(single, flat(P)) for single in singles]
    for t, g in enumerate(gradients, start=1):
        rule.move(rows, g, state, lrs, t)  # type: ignore[arg-type]  # a column of rates
        for k, single in enumerate(singles):
            rule.move(single, g[k], states[k], LRS[k], t)
    for k, single in enumerate(singles):
        torch.testing.assert_close(rows[k], single, rtol=tolerance, atol=tolerance)
        for name, vector in state.items():
            if name in rule.memory:
                torch.testing.assert_close(vector[k], states[k][name], rtol=tolerance, atol=tolerance)


def test_the_memory_of_a_rule_starts_at_0_with_the_shape_and_dtype_of_theta() -> None:
    state = Adam().start(torch.ones(2, 3, dtype=torch.float64), flat(3))
    assert list(state) == ["m", "s"]
    for vector in state.values():
        assert torch.equal(vector, torch.zeros(2, 3, dtype=torch.float64))


def test_a_rule_is_judged_by_its_theta() -> None:
    theta = torch.ones(3)
    assert Adam().eval_theta(theta, {}) is theta


def test_a_restored_state_shares_no_memory_with_what_was_saved() -> None:
    rule, theta = Momentum(), torch.zeros(3)
    state = rule.start(theta, flat(3))
    saved = rule.saved(state)
    one, other = rule.restored(rule.start(theta, flat(3)), saved), rule.restored(rule.start(theta, flat(3)), saved)
    one["v"].fill_(1.0)
    assert not other["v"].any()
    assert not saved["v"].any()


@pytest.mark.parametrize(
    ("rule", "words", "call"),
    [
        (SGD(), "theta <- theta - 0.25 g", "torch.optim.SGD(lr=0.25)"),
        (
            Momentum(mu=0.75),
            "v <- 0.75 v + g;  theta <- theta - 0.25 v",
            "torch.optim.SGD(lr=0.25, momentum=0.75)",
        ),
        (
            Adam(betas=(0.9, 0.999), eps=1e-7),
            "m <- 0.9 m + 0.1 g;  s <- 0.999 s + 0.001 g^2;  "
            "theta <- theta - 0.25 m/(1 - 0.9^t) / (sqrt(s/(1 - 0.999^t)) + 1e-07)",
            "torch.optim.Adam(lr=0.25, betas=(0.9, 0.999), eps=1e-07)",
        ),
    ],
)
def test_a_rule_is_told_in_symbols_and_as_a_call_of_torch(rule: Elementwise, words: str, call: str) -> None:
    assert rule.rule(0.25) == words
    assert rule.equivalent_to(0.25) == call
