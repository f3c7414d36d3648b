"""The exam of every optimizer in runner/optimizer/."""

from __future__ import annotations

import dataclasses
from itertools import repeat
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn import functional as F

from runner import menu
from runner.core.objective import Objective
from runner.core.theta import adopt
from runner.optimizer.base import Elementwise, Optimizer
from runner.optimizer.torch import Torch
from runner.store.checkpoint import decode, encode
from tests.contract.rooms import choices, variants
from tests.optimizer.problems import Given, batches, descend, flat, network, quadratic, trained

RULES = choices("optimizer")
each = pytest.mark.parametrize("cls", RULES.values(), ids=RULES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
# `Torch` holds its arguments in a dictionary, so that it has no hash, and its rule is the call of its class; without
# arguments it is torch.optim.SGD, and as such sits the rest of the exam.
OWN = {name: cls for name, cls in RULES.items() if cls is not Torch}
each_own = pytest.mark.parametrize("cls", OWN.values(), ids=OWN)
ELEMENTWISE = {name: cls for name, cls in OWN.items() if issubclass(cls, Elementwise)}
each_elementwise = pytest.mark.parametrize("cls", ELEMENTWISE.values(), ids=ELEMENTWISE)
KNOBS = {f"{name} {knob}": pair for name, cls in OWN.items() for knob, pair in variants(cls).items()}
each_knob = pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)


def usual_lr(cls: type[Optimizer]) -> float:
    """The learning rate that comes with the choice."""
    (name,) = (name for name, rule in RULES.items() if rule is cls)
    return float(OmegaConf.load(menu.conf_dir() / "optimizer" / f"{name}.yaml").lr)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"sgd", "momentum", "adam", "torch"} <= RULES.keys()
    assert {"momentum mu", "adam betas[0]", "adam betas[1]", "adam eps"} <= KNOBS.keys()


@each
def test_it_descends_a_quadratic(cls: type[Optimizer]) -> None:
    asked = quadratic()
    start = torch.zeros(5, dtype=torch.float64)
    values = [asked.value(descend(cls(), asked, start.clone(), usual_lr(cls), steps)) for steps in (0, 1, 10, 100)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


@each
def test_it_reaches_the_minimum_of_a_quadratic_with_its_usual_learning_rate(cls: type[Optimizer]) -> None:
    # The smallest curvature is 0.5, so plain steps shrink the slowest element by e^-(0.5 lr) each, from 0.1 by e^-15 =
    # 3e-7 in 30 / lr steps; those that walk about lr a step have walked 30 where 0.5 is the farthest.
    asked, lr = quadratic(), usual_lr(cls)
    found = descend(cls(), asked, torch.zeros(5, dtype=torch.float64), lr, int(30 / lr))
    torch.testing.assert_close(found, asked.minimum, rtol=0, atol=1e-5)


@each_dtype
@each
def test_a_zero_gradient_is_a_fixed_point_of_the_start(cls: type[Optimizer], dtype: torch.dtype) -> None:
    asked = quadratic(dtype)
    assert torch.equal(descend(cls(), asked, asked.minimum.clone(), usual_lr(cls), 10), asked.minimum)


@each_dtype
@each
def test_it_changes_theta_in_place_and_keeps_its_dtype(cls: type[Optimizer], dtype: torch.dtype) -> None:
    rule, theta = cls(), torch.zeros(5, dtype=dtype)
    place = theta.data_ptr()
    state = rule.start(theta, flat(5))
    for t in range(1, 4):
        rule.step(theta, state, quadratic(dtype), usual_lr(cls), t)
    assert theta.data_ptr() == place
    assert theta.dtype == dtype
    assert theta.shape == (5,)
    assert theta.isfinite().all()
    assert theta.any()
    assert rule.eval_theta(theta, state).shape == (5,)
    assert rule.eval_theta(theta, state).dtype == dtype


@each_elementwise
def test_its_memory_keeps_shape_and_dtype(cls: type[Elementwise]) -> None:
    theta = torch.zeros(5)
    state = cls().start(theta, flat(5))
    cls().step(theta, state, quadratic(torch.float32), 0.1, 1)
    assert list(state) == list(cls.memory)
    assert all(vector.shape == (5,) and vector.dtype == torch.float32 for vector in state.values())


@each
def test_it_leaves_the_gradient_as_it_is(cls: type[Optimizer]) -> None:
    g = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    kept, theta = g.clone(), torch.zeros(5)
    rule = cls()
    state = rule.start(theta, flat(5))
    for t in (1, 2, 3):
        rule.step(theta, state, Given(repeat(g)), 0.1, t)
    assert torch.equal(g, kept)


@each_dtype
@each
def test_two_runs_are_bitwise_equal(cls: type[Optimizer], dtype: torch.dtype) -> None:
    one, other = (trained(cls(), lambda t: usual_lr(cls), 20, dtype) for _ in range(2))
    assert torch.equal(one, other)


@each
def test_a_rate_of_the_step_is_the_one_that_counts(cls: type[Optimizer]) -> None:
    lr = usual_lr(cls)
    constant, late = trained(cls(), lambda t: lr, 3), trained(cls(), lambda t: lr if t < 3 else lr / 2, 3)
    assert not torch.equal(constant, late)


# The two forms of an update round about ten operations in another order: some 1e-15 over ten steps.
@each_elementwise
def test_rows_are_the_single_runs(cls: type[Elementwise]) -> None:
    lrs = [0.1, 0.01, 1.0]
    rows, gradients = row_problem()
    singles = [row.clone() for row in rows]
    rule = cls()
    state, states = rule.start(rows, flat(17)), [rule.start(single, flat(17)) for single in singles]
    for t, g in enumerate(gradients, start=1):
        rule.update(rows, g, state, torch.tensor(lrs, dtype=torch.float64).unsqueeze(1), t)  # type: ignore[arg-type]
        for k, single in enumerate(singles):
            rule.update(single, g[k], states[k], lrs[k], t)
    torch.testing.assert_close(rows, torch.stack(singles), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("one", "other"), [pair for key, pair in KNOBS.items() if key.split()[0] in ELEMENTWISE])
def test_rows_with_constants_of_their_own_are_the_single_runs(one: Elementwise, other: Elementwise) -> None:
    rows, gradients = row_problem()
    rules = [one, other, one]
    singles = [row.clone() for row in rows]
    both = columns(rules)
    state, states = one.start(rows, flat(17)), [one.start(single, flat(17)) for single in singles]
    for t, g in enumerate(gradients, start=1):
        both.update(rows, g, state, 0.1, t)
        for k, single in enumerate(singles):
            rules[k].update(single, g[k], states[k], 0.1, t)
    torch.testing.assert_close(rows, torch.stack(singles), rtol=1e-12, atol=1e-12)


def row_problem() -> tuple[Tensor, Tensor]:
    """Three rows of 17 elements, and ten gradients for them."""
    numbers = torch.Generator().manual_seed(0)
    rows = torch.randn(3, 17, generator=numbers, dtype=torch.float64)
    return rows, torch.randn(10, 3, 17, generator=numbers, dtype=torch.float64)


def columns(rules: list[Any]) -> Any:
    """A rule whose every number is the column `[K, 1]` of the numbers of K rules."""

    def column(*values: Any) -> Any:
        if isinstance(values[0], tuple):
            return tuple(column(*each) for each in zip(*values, strict=True))
        return torch.tensor(values, dtype=torch.float64).unsqueeze(1)

    made = type(rules[0])()
    for field in dataclasses.fields(made):
        # past the checks, which are for what users give
        object.__setattr__(made, field.name, column(*(getattr(rule, field.name) for rule in rules)))
    return made


@each_knob
def test_every_argument_changes_the_result(one: Optimizer, other: Optimizer) -> None:
    assert not torch.equal(trained(one, lambda t: 0.01, 5), trained(other, lambda t: 0.01, 5))


@each_dtype
@each
def test_its_state_survives_the_checkpoint_bit_for_bit(cls: type[Optimizer], dtype: torch.dtype) -> None:
    rule, lr = cls(), usual_lr(cls)

    def steps(first: int, last: int, kept: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        module = network(dtype)
        theta, layout = adopt(module)
        asked = Objective(module, F.cross_entropy, theta, layout)
        state = rule.start(theta, layout)
        if kept is not None:
            theta.copy_(kept["theta"])
            state = rule.restored(state, kept["memory"])
        for t, (x, y) in zip(range(1, last + 1), batches(dtype), strict=False):
            asked.on(x, y)
            if t >= first:
                rule.step(theta, state, asked, lr, t)
        return theta, {"theta": theta, "memory": rule.saved(state)}

    _, half = steps(1, 10)
    resumed, again = steps(11, 20, decode(encode(half)))
    whole, straight = steps(1, 20)
    assert torch.equal(resumed, whole)
    assert encode(again) == encode(straight)


@each
def test_equal_constants_make_equal_rules_that_nothing_can_change(cls: type[Optimizer]) -> None:
    assert cls() == cls()
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().lr = 0.1  # type: ignore[attr-defined]


@each_own
def test_equal_rules_have_equal_hashes(cls: type[Optimizer]) -> None:
    assert hash(cls()) == hash(cls())


@each_knob
def test_another_constant_makes_another_rule(one: Optimizer, other: Optimizer) -> None:
    assert one != other


@each_knob
def test_the_rule_in_symbols_tells_every_constant(one: Optimizer, other: Optimizer) -> None:
    for rule in (one, other):
        for field in dataclasses.fields(rule):
            value = getattr(rule, field.name)
            for constant in value if isinstance(value, tuple) else (value,):
                assert str(constant) in rule.rule(0.03125)


@each
def test_the_rule_in_symbols_tells_the_learning_rate(cls: type[Optimizer]) -> None:
    assert "0.03125" in cls().rule(0.03125)


@pytest.mark.parametrize("call", [call for cls in RULES.values() if (call := cls().equivalent_to(0.03125))])
def test_the_torch_call_that_it_names_can_be_made(call: str) -> None:
    parameters = [torch.nn.Parameter(torch.ones(1))]
    made = eval(call.replace("(", "(parameters, ", 1), {"torch": torch, "parameters": parameters})
    assert made.param_groups[0]["lr"] == 0.03125
