"""The exam of every optimizer in runner/optimizer/."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from runner import menu
from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.optimizer.base import Elementwise, Optimizer
from runner.optimizer.torch import Torch
from runner.store.checkpoint import decode, encode
from tests.contract.rooms import choices, made, variants
from tests.optimizer.problems import (
    Given,
    apart,
    asked_of,
    batches,
    descend,
    flat,
    network,
    quadratic,
    trained,
    trained_by_hand,
)

CLASSES = choices("optimizer")
# As the yaml makes them, a wrapper around its usual inner rule. `Torch` has no class of its own to name there; without
# arguments it is torch.optim.SGD, and as such sits the exam.
RULES: dict[str, Optimizer] = {n: cls() if cls is Torch else made("optimizer", n) for n, cls in CLASSES.items()}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
# `Torch` holds its arguments in a dictionary, so that it has no hash, and its rule is the call of its class.
OWN = {name: rule for name, rule in RULES.items() if type(rule) is not Torch}
each_own = pytest.mark.parametrize("rule", OWN.values(), ids=OWN)
ELEMENTWISE = {name: rule for name, rule in OWN.items() if isinstance(rule, Elementwise)}
each_elementwise = pytest.mark.parametrize("rule", ELEMENTWISE.values(), ids=ELEMENTWISE)
KNOBS = {f"{name} {knob}": pair for name, rule in OWN.items() for knob, pair in variants(type(rule), rule).items()}
each_knob = pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
DECAYS = ("weight_decay", "lambd")  # arguments that pull theta towards 0, wherever the loss has its minimum


def usual_lr(rule: Optimizer) -> float:
    """The learning rate that comes with the choice, or with the one inside it."""
    (name,) = (name for name, known in RULES.items() if type(rule) is type(known))
    conf = menu.conf_dir() / "optimizer"
    lr = OmegaConf.to_container(OmegaConf.load(conf / f"{name}.yaml"), resolve=False)["lr"]  # type: ignore
    return usual_lr(rule.inner) if lr == "${.inner.lr}" else float(lr)  # type: ignore[attr-defined]


def undecayed(rule: Optimizer) -> Optimizer:
    """The rule without a pull towards 0."""
    names = {field.name for field in dataclasses.fields(rule)}
    return dataclasses.replace(rule, **{name: 0.0 for name in DECAYS if name in names})  # type: ignore[arg-type]


def constants(value: Any) -> list[float | str | bool]:
    """The numbers and words in an argument; those of a choice inside this one are its own affair."""
    if isinstance(value, tuple):
        return [constant for item in value for constant in constants(item)]
    return [] if isinstance(value, Optimizer) else [value]


def differing(one: Optimizer, other: Optimizer) -> list[tuple[Any, Any]]:
    """The constants in which two rules of one class differ, in pairs."""
    pairs = [
        pair
        for field in dataclasses.fields(one)
        for pair in zip(constants(getattr(one, field.name)), constants(getattr(other, field.name)), strict=True)
    ]
    return [(a, b) for a, b in pairs if a != b]


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"sgd", "momentum", "adam", "torch", "sam"} <= RULES.keys()
    assert {"momentum mu", "adam betas[0]", "adam betas[1]", "adam eps", "sam rho"} <= KNOBS.keys()


@each
def test_it_descends_a_quadratic(rule: Optimizer) -> None:
    asked = quadratic()
    start = torch.zeros(5, dtype=torch.float64)
    values = [asked.value(descend(rule, asked, start.clone(), usual_lr(rule), steps)) for steps in (0, 1, 10, 100)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


@each
def test_it_reaches_the_minimum_of_a_quadratic_with_its_usual_learning_rate(rule: Optimizer) -> None:
    # The rate falls from lr to 0 as (1 - t/T)^2, so that the rates add up to lr T/3, at least 20: plain steps shrink
    # the slowest element, of curvature 0.5, by e^-10 = 5e-5 from 0.1; those that walk about lr a step have walked 20
    # where 0.5 is the farthest, and swing at the end by about the last rates. An average of T points remembers the way
    # there by about 1/T.
    asked, lr = quadratic(), usual_lr(rule)
    steps = max(int(60 / lr), 20_000)
    rule, theta = undecayed(rule), torch.zeros(5, dtype=torch.float64)
    state = rule.start(theta, flat(5))
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, lr * (1 - t / (steps + 1)) ** 2, t)
    torch.testing.assert_close(theta, asked.minimum, rtol=0, atol=1e-4)


@each_dtype
@each
def test_a_zero_gradient_is_a_fixed_point_of_the_start(rule: Optimizer, dtype: torch.dtype) -> None:
    asked = quadratic(dtype)
    assert torch.equal(descend(undecayed(rule), asked, asked.minimum.clone(), usual_lr(rule), 10), asked.minimum)


@each
def test_a_schedule_may_begin_at_0(rule: Optimizer) -> None:
    lr, start = usual_lr(rule), trained(rule, lambda t: 0.0, 0)
    assert torch.equal(trained(rule, lambda t: 0.0, 1), start)
    later = trained(rule, lambda t: lr if t > 1 else 0.0, 3)
    assert later.isfinite().all()
    assert not torch.equal(later, start)


@each_dtype
@each
def test_it_changes_theta_in_place_and_keeps_its_dtype(rule: Optimizer, dtype: torch.dtype) -> None:
    theta = torch.zeros(5, dtype=dtype)
    place = theta.data_ptr()
    state = rule.start(theta, flat(5))
    for t in range(1, 4):
        rule.step(theta, state, quadratic(dtype), usual_lr(rule), t)
    assert theta.data_ptr() == place
    assert theta.dtype == dtype
    assert theta.shape == (5,)
    assert theta.isfinite().all()
    assert theta.any()
    assert rule.eval_theta(theta, state).shape == (5,)
    assert rule.eval_theta(theta, state).dtype == dtype


@each_elementwise
def test_its_memory_keeps_shape_and_dtype(rule: Elementwise) -> None:
    theta = torch.zeros(5)
    state = rule.start(theta, flat(5))
    rule.step(theta, state, quadratic(torch.float32), 0.1, 1)
    numbers = {name: state.pop(name) for name in rule.numbers}
    assert state.keys() <= set(rule.memory)
    assert all(vector.shape == (5,) and vector.dtype == torch.float32 for vector in state.values())
    assert all(type(number) is float for number in numbers.values())


@each
def test_it_leaves_the_gradient_as_it_is(rule: Optimizer) -> None:
    g = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    kept, theta = g.clone(), torch.zeros(5)
    state = rule.start(theta, flat(5))
    for t in (1, 2, 3):
        rule.step(theta, state, Given(repeat(g)), 0.1, t)
    assert torch.equal(g, kept)


@each_dtype
@each
def test_two_runs_are_bitwise_equal(rule: Optimizer, dtype: torch.dtype) -> None:
    one, other = (trained(rule, lambda t: usual_lr(rule), 20, dtype) for _ in range(2))
    assert torch.equal(one, other)


@each
def test_a_rate_of_the_step_is_the_one_that_counts(rule: Optimizer) -> None:
    lr = usual_lr(rule)
    # A third: a search for a length that begins at lr comes by its half.
    constant, late = trained(rule, lambda t: lr, 3), trained(rule, lambda t: lr if t < 3 else lr / 3, 3)
    assert not torch.equal(constant, late)


# The two forms of an update round about ten operations in another order: some 1e-15 over ten steps.
@each_elementwise
def test_rows_are_the_single_runs(rule: Elementwise) -> None:
    lrs = [0.1, 0.01, 1.0]
    rows, gradients = row_problem()
    singles = [row.clone() for row in rows]
    state, states = rule.start(rows, flat(17)), [rule.start(single, flat(17)) for single in singles]
    for t, g in enumerate(gradients, start=1):
        rule.move(rows, g, state, torch.tensor(lrs, dtype=torch.float64).unsqueeze(1), t)  # type: ignore[arg-type]
        for k, single in enumerate(singles):
            rule.move(single, g[k], states[k], lrs[k], t)
    torch.testing.assert_close(rows, torch.stack(singles), rtol=1e-12, atol=1e-12)


def row_problem() -> tuple[Tensor, Tensor]:
    """Three rows of 17 elements, and ten gradients for them."""
    numbers = torch.Generator().manual_seed(0)
    rows = torch.randn(3, 17, generator=numbers, dtype=torch.float64)
    return rows, torch.randn(10, 3, 17, generator=numbers, dtype=torch.float64)


@each_knob
def test_every_argument_changes_the_result(one: Optimizer, other: Optimizer) -> None:
    # Some tell only in small steps or in large ones: limits of a size, of a length. Some only after many: how much is
    # remembered of what happens once in ten steps.
    rules = [one, other, *further(one, other)]
    for lr, steps in ((0.01, 10), (1e-7, 10), (100.0, 10), (usual_lr(one), 10), (1.0, 150)):
        first, *rest = (steps_of(rule, lr, steps) for rule in rules)
        if any(not torch.equal(a, b) for result in rest for a, b in zip(first, result, strict=True)):
            return
    # And some near a minimum that stays where it is.
    near = [descend(rule, quadratic(), torch.zeros(5).double(), usual_lr(rule), 5) for rule in (one, other)]
    assert not torch.equal(*near), "nothing changed at any rate"


def further(one: Optimizer, other: Optimizer) -> Iterator[Optimizer]:
    """`one` with constants that are farther away: a limit or a threshold tells only where it is reached."""
    names = [field.name for field in dataclasses.fields(one)]
    (name,) = [name for name in names if getattr(one, name) != getattr(other, name)]
    for value in (1, 0.05, 0.5, 0.9, 1e-9, 1e3):
        with contextlib.suppress(ConfigError):  # it is out of the range of this constant, or no number is
            yield dataclasses.replace(one, **{name: value})  # type: ignore[arg-type]


def steps_of(rule: Optimizer, lr: float, steps: int) -> tuple[Tensor, Tensor]:
    """theta, and what the rule is judged by, after some steps on the network with its matrices."""
    module = network()
    theta, layout = adopt(module)
    asked = asked_of(module, theta, layout)
    state = rule.start(theta, layout)
    for t, (x, y) in zip(range(1, steps + 1), batches(), strict=False):
        asked.on(x, y)
        rule.step(theta, state, asked, lr, t)
    return theta, rule.eval_theta(theta, state).clone()


@each_dtype
@each
def test_its_state_survives_the_checkpoint_bit_for_bit(rule: Optimizer, dtype: torch.dtype) -> None:
    lr = usual_lr(rule)

    def steps(first: int, last: int, kept: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        module = network(dtype)
        theta, layout = adopt(module)
        asked = asked_of(module, theta, layout)
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
def test_equal_constants_make_equal_rules_that_nothing_can_change(rule: Optimizer) -> None:
    assert dataclasses.replace(rule) == rule
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.lr = 0.1  # type: ignore[attr-defined]


@each_own
def test_equal_rules_have_equal_hashes(rule: Optimizer) -> None:
    assert hash(dataclasses.replace(rule)) == hash(rule)


@each_knob
def test_another_constant_makes_another_rule(one: Optimizer, other: Optimizer) -> None:
    assert one != other


@each_knob
def test_the_rule_in_symbols_tells_every_argument(one: Optimizer, other: Optimizer) -> None:
    assert one.rule(0.03125) != other.rule(0.03125)
    for rule, values in zip((one, other), zip(*differing(one, other), strict=True), strict=True):
        assert all(str(value) in rule.rule(0.03125) for value in values if type(value) in (int, float))


@each
def test_the_rule_in_symbols_tells_the_learning_rate(rule: Optimizer) -> None:
    assert "0.03125" in rule.rule(0.03125)


CALLS = {name: rule for name, rule in RULES.items() if rule.equivalent_to(0.03125)}


# A step rounds some ten times, 1e-16 each; float64 for the factors that NAdam keeps in torch's default dtype.
@pytest.mark.parametrize("rule", CALLS.values(), ids=CALLS)
def test_the_torch_call_that_it_names_gives_the_same_iterates(rule: Optimizer) -> None:
    call = rule.equivalent_to(0.03125)
    assert call is not None

    def make(parameters: list[torch.nn.Parameter]) -> Any:
        return eval(call.replace("(", "(parameters, ", 1), {"torch": torch, "parameters": parameters})

    torch.set_default_dtype(torch.float64)
    try:
        twin = trained_by_hand(make, None, 100)
    finally:
        torch.set_default_dtype(torch.float32)
    assert apart(trained(rule, lambda t: 0.03125, 100), twin) < 1e-12
