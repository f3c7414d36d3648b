"""Rules that move rows, and whether every rule says truly what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from runner.optimizer.adam import Adam
from runner.optimizer.base import Optimizer
from runner.optimizer.clip_norm import ClipNorm
from runner.optimizer.decoupled_decay import DecoupledDecay
from runner.optimizer.ema import EMA
from runner.optimizer.lookahead import Lookahead
from runner.optimizer.momentum import Momentum
from runner.optimizer.muon import Muon
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.rows import Known, picked, stacked, stripes
from runner.optimizer.sam import SAM
from runner.optimizer.schedule_free_adamw import ScheduleFreeAdamW
from runner.optimizer.sgd import SGD
from runner.optimizer.torch import Torch
from tests.contract.rooms import choices, made
from tests.optimizer.problems import flat

RULES: dict[str, Optimizer] = {
    n: Torch() if cls is Torch else made("optimizer", n) for n, cls in choices("optimizer").items()
}
WRAPPED = {
    "lookahead around sam": Lookahead(inner=SAM(inner=Adam())),
    "sam around ema": SAM(inner=EMA(inner=Momentum())),
    "clip_norm around nesterov_original": ClipNorm(inner=NesterovOriginal()),
    "decoupled_decay around sam": DecoupledDecay(inner=SAM(inner=Momentum())),
    "ema around muon": EMA(inner=Muon()),
    "sam around sam": SAM(inner=SAM(inner=SGD())),
    "sam around nesterov_original": SAM(inner=NesterovOriginal()),
    "lookahead around torch": Lookahead(inner=Torch()),
}
# What asks freely makes no promise.
FUSED = {name: rule for name, rule in (RULES | WRAPPED).items() if rule.gradients != "freely"}
each = pytest.mark.parametrize("rule", FUSED.values(), ids=FUSED)

STEPS = 7  # more than the five after which lookahead looks


@dataclass
class Recorded:
    """An objective that notes at which points it is asked, and answers as it is told."""

    answer: Callable[[int, Tensor], Tensor]
    points: list[Tensor] = field(default_factory=list)

    def value(self, theta: Tensor) -> float:
        raise AssertionError("a loss was asked for")

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        self.points.append(theta.clone())
        return 0.0, self.answer(len(self.points), theta)


ANSWERS: dict[str, Callable[[int, Tensor], Tensor]] = {
    "slopes": lambda n, theta: theta - 0.3,
    "zeros": lambda n, theta: torch.zeros_like(theta),
    "noise": lambda n, theta: torch.randn(theta.shape, generator=torch.Generator().manual_seed(n), dtype=theta.dtype),
    "large": lambda n, theta: torch.full_like(theta, 1e8 * (-1) ** n),
    "tiny": lambda n, theta: torch.full_like(theta, 1e-30),
}


def asked(rule: Optimizer, answer: Callable[[int, Tensor], Tensor]) -> list[list[tuple[Tensor, Tensor]]]:
    """The points at which the rule asks, in each of some steps; the point itself and theta before the step."""
    theta = torch.linspace(-1, 1, 6, dtype=torch.float64)
    state, found = rule.start(theta, flat(6)), []
    for t in range(1, STEPS + 1):
        recorded, before = Recorded(answer), theta.clone()
        rule.step(theta, state, recorded, 0.01, t)
        found.append([(point, before) for point in recorded.points])
    return found


@each
def test_a_rule_asks_here_if_it_asks_once_in_every_step_at_theta_before_it_moves(rule: Optimizer) -> None:
    once = [
        len(points) == 1 and torch.equal(*points[0]) for answer in ANSWERS.values() for points in asked(rule, answer)
    ]
    assert all(once) == (rule.gradients == "here")


@each
def test_a_rule_asks_as_often_in_every_step_whatever_the_answers(rule: Optimizer) -> None:
    assert len({len(points) for answer in ANSWERS.values() for points in asked(rule, answer)}) == 1


@each
def test_a_rule_that_gets_no_answer_has_changed_nothing(rule: Optimizer) -> None:
    # That a row diverges is found while the rule asks, at any of its questions; the others then make the step again.
    theta = torch.linspace(-1, 1, 6, dtype=torch.float64)
    state = rule.start(theta, flat(6))
    rule.step(theta, state, Recorded(ANSWERS["slopes"]), 0.01, 1)
    before, memory = theta.clone(), numbers(rule.saved(state))
    (count,) = {len(points) for points in asked(rule, ANSWERS["slopes"])}
    for last in range(1, count + 1):
        with pytest.raises(Refused):
            rule.step(theta, state, Recorded(refusing(last)), 0.01, 2)
        assert torch.equal(theta, before)
        assert numbers(rule.saved(state)) == memory


class Refused(Exception):
    """No answer."""


def refusing(last: int) -> Callable[[int, Tensor], Tensor]:
    """Slopes, but no answer to question number `last`."""

    def answer(n: int, theta: Tensor) -> Tensor:
        if n == last:
            raise Refused
        return theta - 0.3

    return answer


def numbers(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.tolist()
    return {name: numbers(item) for name, item in tree.items()} if isinstance(tree, dict) else tree


def test_what_a_rule_asks_is_what_the_rule_inside_it_asks() -> None:
    assert {name: rule.gradients for name, rule in WRAPPED.items()} == {
        "lookahead around sam": "elsewhere",
        "sam around ema": "elsewhere",
        "clip_norm around nesterov_original": "elsewhere",
        "decoupled_decay around sam": "elsewhere",
        "ema around muon": "here",
        "sam around sam": "freely",
        "sam around nesterov_original": "freely",
        "lookahead around torch": "freely",
    }


IN_ROWS = {name: rule for name, rule in FUSED.items() if rule.rates_in_rows}


def test_rules_with_numbers_of_their_own_or_matrices_know_no_rows() -> None:
    assert RULES.keys() - IN_ROWS.keys() >= {"schedule_free_sgd", "schedule_free_adamw", "muon", "torch"}
    assert {"sgd", "adam", "rprop", "sam", "ema", "clip_norm", "lookahead", "nesterov_original"} <= IN_ROWS.keys()
    assert not Lookahead(inner=ScheduleFreeAdamW()).rates_in_rows


@pytest.mark.parametrize("rule", IN_ROWS.values(), ids=IN_ROWS)
def test_a_rule_that_knows_rows_moves_each_with_its_rate(rule: Optimizer) -> None:
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lrs = [0.1, 0.01, 0.05]
    singles = [row.clone() for row in rows]
    states = [rule.start(single, flat(6)) for single in singles]
    state = stacked([rule.start(single, flat(6)) for single in singles])
    column = torch.tensor(lrs, dtype=torch.float64).unsqueeze(1)
    for t in range(1, STEPS + 1):
        rule.step(rows, state, Recorded(ANSWERS["slopes"]), column, t)  # type: ignore[arg-type]  # a column of rates
        for single, memory, lr in zip(singles, states, lrs, strict=True):
            rule.step(single, memory, Recorded(ANSWERS["slopes"]), lr, t)
    for k, (single, memory) in enumerate(zip(singles, states, strict=True)):
        # some ten roundings a step
        torch.testing.assert_close(rows[k], single, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(picked(state, k), memory, rtol=1e-12, atol=1e-13)


def test_neighbours_with_equal_rules_form_a_stripe_and_rules_that_know_no_rows_are_alone() -> None:
    rules = [SGD(), SGD(), Momentum(mu=0.5), Momentum(mu=0.9), SGD(), Muon(), Muon(), ScheduleFreeAdamW()]
    found = stripes(rules, [rule.start(torch.zeros(4), flat(4)) for rule in rules])
    assert [(each.rows.start, each.rows.stop) for each in found] == [
        *((0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8))
    ]
    assert [each.rule for each in found] == [rules[0], *rules[2:]]
    assert stripes([], []) == []


def test_stripes_move_and_remember_each_row_as_the_rule_alone_would() -> None:
    rules: list[Optimizer] = [Adam(), Adam(), Muon(), ScheduleFreeAdamW(), Lookahead(inner=Momentum(), k=2), SGD()]
    lrs = [0.1, 0.02, 0.03, 0.04, 0.05, 0.06]
    theta = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradients = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    singles = [row.clone() for row in theta]
    states = [rule.start(row, flat(4)) for rule, row in zip(rules, singles, strict=True)]
    found = stripes(rules, [rule.start(row, flat(4)) for rule, row in zip(rules, singles, strict=True)])
    assert len(found) == 5
    column = torch.tensor(lrs, dtype=torch.float64).unsqueeze(1)
    for t, g in enumerate(gradients, start=1):
        for stripe in found:
            stripe.step(theta, Known(stripe.of(g)), lrs, column, t)
        for k, rule in enumerate(rules):
            rule.step(singles[k], states[k], Known(g[k]), lrs[k], t)
    torch.testing.assert_close(theta, torch.stack(singles), rtol=1e-12, atol=1e-13)
    judged = torch.cat([stripe.judged(theta) for stripe in found])
    alone = [rule.eval_theta(*pair) for rule, *pair in zip(rules, singles, states, strict=True)]
    torch.testing.assert_close(judged, torch.stack(alone), rtol=1e-12, atol=1e-13)
    for stripe in found:
        for k in range(stripe.rows.start, stripe.rows.stop):
            mine, single = rules[k].saved(stripe.memory_of(k)), rules[k].saved(states[k])
            torch.testing.assert_close(mine, single, rtol=1e-12, atol=1e-13)


def test_memories_are_stacked_into_rows_and_picked_again() -> None:
    trees = [{"v": torch.full((2,), float(k)), "inner": {"m": torch.full((2,), 10.0 + k)}} for k in range(3)]
    both = stacked(trees)
    assert both["v"].shape == both["inner"]["m"].shape == (3, 2)
    for k, tree in enumerate(trees):
        assert numbers(picked(both, k)) == numbers(tree)
    assert stacked([{}, {}]) == {}


def test_what_is_known_is_the_gradient_and_nothing_else() -> None:
    g = torch.ones(3)
    value, found = Known(g).value_and_grad(torch.zeros(3))
    assert found is g
    assert value != value  # NaN: no loss is known
    with pytest.raises(NotImplementedError, match=r"^only the gradient at theta is known$"):
        Known(g).value(torch.zeros(3))
