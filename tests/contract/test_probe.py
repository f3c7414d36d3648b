"""The exam of every probe in runner/probe/."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from runner.architecture.mlp import MLP
from runner.architecture.normalization.batch import Batch
from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.probe.base import Network, Observation, Probe, Step
from runner.probe.none import NoProbe
from runner.probe.several import Several
from tests.contract.rooms import choices
from tests.optimizer.problems import Examples, drawn

CLASSES = choices("probe")
each = pytest.mark.parametrize("probe", [cls() for cls in CLASSES.values()], ids=CLASSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

# what metrics.csv holds anyway
TAKEN = {
    "epoch",
    "step",
    "examples",
    "lr",
    "grad_norm",
    "forward",
    "backward",
    "hvp",
    "penalty",
    *(f"{part}_loss" for part in ("train", "val")),
}


def asked(dtype: torch.dtype) -> Curved:
    """A network with what a probe may have columns for: weights, activations, layers that normalize."""
    torch.manual_seed(0)
    module = MLP(hidden=(6, 5), normalization=Batch()).build((4,), 4).to(dtype)
    own, layout = adopt(module)
    own.copy_(torch.randn(own.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 2)
    return Curved(module, functional.cross_entropy, own, layout, pool=Examples(dtype), drawn=drawn)


def seen(dtype: torch.dtype = torch.float64) -> Observation:
    numbers = torch.Generator().manual_seed(0)
    objective = asked(dtype)
    size = objective.layout.size
    theta, start = (torch.randn(size, generator=numbers, dtype=torch.float64).to(dtype) for _ in range(2))
    return Observation(theta, start, objective.layout, lambda n: objective.sample(n, 0), 0.1, 20.0)


def a_step(dtype: torch.dtype = torch.float64) -> Step:
    objective = asked(dtype)
    part = objective.sample(10, 1)
    before = objective.theta.clone()
    value, g = part.value_and_grad(before)
    after = before - g / 10
    values = value, part.value(after)
    return Step(before, after, g.clone(), values, 0.1, objective.layout, lambda n: objective.sample(n, 0), 10)


LAYOUT = asked(torch.float64).layout
NETWORK = Network(LAYOUT, activations=2, moments=2)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"none", "distance", "sharpness"} <= CLASSES.keys()


@each
def test_its_columns_have_names_of_their_own(probe: Probe) -> None:
    names = (*probe.columns, *probe.layered(NETWORK), *probe.stepped(NETWORK))
    assert bool(names) == (not isinstance(probe, NoProbe | Several))
    assert len(set(names)) == len(names)
    assert not set(names) & TAKEN
    assert all(name.isidentifier() for name in names)


def test_no_two_probes_have_a_column_in_common() -> None:
    everything = Several(of={name: cls() for name, cls in CLASSES.items()})
    names = (*everything.columns, *everything.layered(NETWORK), *everything.stepped(NETWORK))
    assert len(set(names)) == len(names) > 40
    numbers = (*everything.measure(seen()), *everything.measure_step(a_step()))
    assert len(numbers) == len(names)


@each_dtype
@each
def test_it_answers_one_number_for_each_column(probe: Probe, dtype: torch.dtype) -> None:
    numbers, of_the_step = probe.measure(seen(dtype)), probe.measure_step(a_step(dtype))
    assert isinstance(numbers, tuple)
    assert len(numbers) == len(probe.columns) + len(probe.layered(NETWORK))
    assert len(of_the_step) == len(probe.stepped(NETWORK))
    assert all(type(number) is float for number in (*numbers, *of_the_step))


@each
def test_it_looks_at_steps_if_it_has_columns_of_them(probe: Probe) -> None:
    assert probe.follows == bool(probe.stepped(NETWORK))


@each
def test_it_answers_the_same_when_asked_again_and_changes_nothing(probe: Probe) -> None:
    looked, kept, step = seen(), seen(), a_step()
    before = torch.random.get_rng_state()
    for ask in (lambda p: p.measure(looked), lambda p: p.measure_step(step)):
        torch.testing.assert_close(ask(probe), ask(probe), rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(ask(probe), ask(type(probe)()), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(probe.measure(looked), probe.measure(kept), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(looked.theta, seen().theta)
    assert torch.equal(looked.start, seen().start)
    assert all(torch.equal(a, b) for a, b in ((step.before, a_step().before), (step.gradient, a_step().gradient)))


@each
def test_what_is_not_finite_is_answered_with_numbers_that_are_not(probe: Probe) -> None:
    looked, step = seen(), a_step()
    looked.theta.fill_(torch.nan)
    step.gradient.fill_(torch.nan)
    step.after.fill_(torch.nan)
    numbers = (*probe.measure(looked), *probe.measure_step(step))
    assert len(numbers) == len(probe.columns) + len(probe.layered(NETWORK)) + len(probe.stepped(NETWORK))


@each
def test_equal_arguments_make_equal_probes(probe: Probe) -> None:
    assert probe == type(probe)()
    if not isinstance(probe, Several):  # which holds a dictionary
        assert hash(probe) == hash(type(probe)())
