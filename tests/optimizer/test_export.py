"""Every optimizer as a `torch.optim.Optimizer`, in a loop that knows nothing of this package."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.export import Exported, as_torch
from runner.optimizer.adam import Adam
from runner.optimizer.adamw import AdamW
from runner.optimizer.base import Optimizer
from runner.optimizer.ema import EMA
from runner.optimizer.momentum import Momentum
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.sam import SAM
from runner.optimizer.sgd import SGD
from runner.optimizer.stochastic_line_search import StochasticLineSearch
from runner.optimizer.torch import Torch
from tests.contract.rooms import choices, made
from tests.optimizer.problems import apart, batches, network, trained

RULES: dict[str, Optimizer] = {
    name: rule for name in choices("optimizer") if not (rule := made("optimizer", name)).needs
}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
# Sums over all parameters are one sum in both; a rule that walks each tensor by itself rounds as it does in one vector.
SAME = 1e-12


class Loop:
    """Anybody's loop: a module, an optimizer, backward, step."""

    def __init__(self, make: Callable[[Any], torch.optim.Optimizer]) -> None:
        self.module = network()
        self.live = make(self.module)

    def steps(self, first: int, last: int) -> Loop:
        for t, (x, y) in zip(range(1, last + 1), batches(), strict=False):
            if t < first:
                continue

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                self.live.zero_grad()
                loss = F.cross_entropy(self.module(x), y)
                loss.backward()  # type: ignore[no-untyped-call]
                return loss

            self.live.step(closure)  # type: ignore[arg-type]
        return self

    @property
    def theta(self) -> Tensor:
        return adopt(copy.deepcopy(self.module))[0]


def exported(rule: Optimizer, lr: float = 0.01) -> Loop:
    return Loop(lambda module: as_torch(rule, module.parameters(), lr=lr))


@each
def test_twenty_steps_are_those_of_the_rule_at_home(rule: Optimizer) -> None:
    assert apart(exported(rule).steps(1, 20).theta, trained(rule, lambda t: 0.01, 20)) < SAME


@each
def test_a_state_dict_that_went_through_a_file_goes_on_bit_for_bit(rule: Optimizer) -> None:
    whole, before, after = exported(rule).steps(1, 20), exported(rule).steps(1, 10), exported(rule, lr=1.0)
    file = io.BytesIO()
    torch.save({"net": before.module.state_dict(), "optimizer": before.live.state_dict()}, file)
    file.seek(0)
    kept = torch.load(file, weights_only=True)
    after.module.load_state_dict(kept["net"])
    after.live.load_state_dict(kept["optimizer"])
    assert after.live.param_groups[0]["lr"] == 0.01
    after.steps(11, 20)
    assert torch.equal(after.theta, whole.theta)


@each
def test_a_state_dict_is_not_changed_by_going_on_from_it(rule: Optimizer) -> None:
    before, one, other = exported(rule).steps(1, 5), exported(rule), exported(rule)
    kept = copy.deepcopy(before.live.state_dict())
    for loop in (one, other):
        loop.module.load_state_dict(before.module.state_dict())
        loop.live.load_state_dict(kept)
        loop.steps(6, 10)
    assert torch.equal(one.theta, other.theta)


@each
def test_a_copy_goes_its_own_way(rule: Optimizer) -> None:
    loop = exported(rule).steps(1, 3)
    twin = copy.deepcopy(loop)
    assert repr(twin.live) == repr(loop.live)
    loop.steps(4, 6)
    assert torch.equal(twin.steps(4, 6).theta, loop.theta)


@each
def test_parameters_that_are_not_contiguous_or_have_no_gradient_or_no_elements(rule: Optimizer) -> None:
    spread = nn.Parameter(torch.arange(12.0).reshape(4, 3).t())  # [3, 4], columns first
    still, empty = nn.Parameter(torch.ones(2)), nn.Parameter(torch.empty(0))
    live = as_torch(rule, [spread, still, empty], lr=0.01)
    kept = spread.detach().clone()

    def closure() -> Tensor:
        live.zero_grad()
        loss = spread.square().sum() + empty.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(3):
        live.step(closure)
    assert spread.stride() == (1, 3)
    assert not torch.equal(spread, kept)
    assert torch.equal(still, torch.ones(2))
    assert still not in live.state


@each
def test_nothing_happens_where_nothing_has_a_gradient(rule: Optimizer) -> None:
    parameter = nn.Parameter(torch.ones(3))
    live = as_torch(rule, [parameter], lr=0.01)
    live.step()
    assert torch.equal(parameter, torch.ones(3))
    assert live.state_dict()["state"] == {}


def test_the_step_answers_the_first_loss_of_the_closure() -> None:
    parameter = nn.Parameter(torch.tensor([3.0]))

    def closure() -> Tensor:
        loss = parameter.square().sum()
        parameter.grad = torch.autograd.grad(loss, parameter)[0]
        return loss

    assert as_torch(SGD(), [parameter], lr=0.25).step(closure) == 9.0
    assert parameter.item() == 1.5
    assert as_torch(SGD(), [parameter], lr=0.25).step() is None


def test_each_group_has_its_own_rate_and_numbers() -> None:
    def groups(module: nn.Module) -> list[dict[str, Any]]:
        parameters = list(module.parameters())
        return [
            {"params": parameters[::2], "weight_decay": 0.5},
            {"params": parameters[1::2], "weight_decay": 0.0, "lr": 0.1, "betas": (0.5, 0.9)},
        ]

    ours = Loop(lambda module: as_torch(AdamW(eps=1e-6), groups(module), lr=0.01)).steps(1, 20)
    theirs = Loop(lambda module: torch.optim.AdamW(groups(module), lr=0.01, eps=1e-6)).steps(1, 20)
    assert apart(ours.theta, theirs.theta) < SAME


def test_a_schedule_of_torch_sets_the_rate() -> None:
    def scheduled(make: Callable[[Any], torch.optim.Optimizer]) -> Tensor:
        loop = Loop(make)
        schedule = torch.optim.lr_scheduler.StepLR(loop.live, step_size=3, gamma=0.5)
        for t in range(1, 11):
            loop.steps(t, t)
            schedule.step()
        return loop.theta

    ours = scheduled(lambda module: as_torch(Momentum(mu=0.9), module.parameters(), lr=0.1))
    theirs = scheduled(lambda module: torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9))
    assert apart(ours, theirs) < SAME


def test_a_number_of_the_rule_can_be_changed_between_two_steps() -> None:
    loop, twin = exported(Momentum(mu=0.9)).steps(1, 3), Loop(
        lambda module: torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    ).steps(1, 3)  # fmt: skip
    loop.live.param_groups[0]["mu"] = twin.live.param_groups[0]["momentum"] = 0.5
    assert apart(loop.steps(4, 10).theta, twin.steps(4, 10).theta) < SAME


def test_a_parameter_that_joins_late_counts_its_own_steps() -> None:
    # Adam's first step is lr sign(g), whenever that parameter has it
    early, late = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    live = as_torch(Adam(), [early, late], lr=0.1)
    early.grad = torch.ones(1)
    live.step()
    late.grad = torch.full((1,), 5.0)
    live.step()
    assert early.item() == pytest.approx(-0.2, rel=1e-6)
    assert late.item() == pytest.approx(-0.1, rel=1e-6)


def test_the_parameters_to_judge_by_are_in_the_network_for_as_long_as_the_block_lasts() -> None:
    loop = exported(EMA(inner=SGD(), decay=0.5), lr=0.1).steps(1, 5)
    assert isinstance(loop.live, Exported)
    walked = loop.theta
    with loop.live.judged():
        mean = loop.theta
    assert torch.equal(loop.theta, walked)
    points = [trained(SGD(), lambda t: 0.1, t) for t in range(1, 6)]
    expected = points[0]
    for point in points[1:]:
        expected = 0.5 * expected + 0.5 * point
    assert apart(mean, expected) < SAME
    loop.steps(6, 10)
    assert apart(loop.theta, trained(SGD(), lambda t: 0.1, 10)) < SAME


def test_before_the_first_step_the_parameters_to_judge_by_are_those_at_hand() -> None:
    loop = exported(EMA(inner=SGD()))
    assert isinstance(loop.live, Exported)
    with loop.live.judged():
        assert torch.equal(loop.theta, exported(SGD()).theta)


@pytest.mark.parametrize("rule", [SAM(inner=SGD()), NesterovOriginal()], ids=repr)
def test_a_rule_that_asks_elsewhere_needs_a_closure(rule: Optimizer) -> None:
    parameter = nn.Parameter(torch.ones(1))
    parameter.grad = torch.ones(1)
    with pytest.raises(RuntimeError, match=r"^this rule asks for gradients at another point: call step\(closure\)$"):
        as_torch(rule, [parameter], lr=0.1).step()
    assert parameter.item() == 1.0


def test_what_makes_no_sense_is_refused() -> None:
    parameter = nn.Parameter(torch.ones(2))
    with pytest.raises(ConfigError, match=r"mu=1.5 is refused"):
        as_torch(Momentum(), [{"params": [parameter], "mu": 1.5}], lr=0.1)
    with pytest.raises(ValueError, match=r"^lr=-0.1 is refused: a number from 0 is wanted$"):
        as_torch(Momentum(), [parameter], lr=-0.1)
    with pytest.raises(ValueError, match=r"^complex parameters are refused: give torch.view_as_real"):
        as_torch(Momentum(), [nn.Parameter(torch.ones(2, dtype=torch.complex64))], lr=0.1)
    parameter.grad = torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (2,), check_invariants=True)
    with pytest.raises(RuntimeError, match=r"^sparse gradients are refused: use torch.optim.SparseAdam"):
        as_torch(Momentum(), [parameter], lr=0.1).step()


def test_a_rule_of_torch_inside_a_wrapper_leaves_the_house_too() -> None:
    rule = SAM(inner=Torch(cls=torch.optim.Adam))
    assert apart(exported(rule).steps(1, 10).theta, trained(SAM(inner=Adam()), lambda t: 0.01, 10)) < SAME


def test_a_rule_that_asks_for_more_than_gradients_stays_in_the_house() -> None:
    with pytest.raises(ConfigError) as refused:
        as_torch(EMA(inner=StochasticLineSearch()), network().parameters(), lr=1.0)
    assert str(refused.value) == (
        "rule=ema around stochastic_line_search is refused\n"
        "  allowed: outside of this program, a rule that asks for gradients alone; this one also needs values\n"
        "  do this: train with optrun, or choose Adam(), say"
    )
