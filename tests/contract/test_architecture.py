"""The exam of every architecture in runner/architecture/."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.base import Architecture
from runner.architecture.mlp import MLP
from runner.core.noise import Noisy
from runner.core.objective import Objective
from runner.core.streams import stream
from runner.core.theta import adopt
from runner.init.kaiming_normal import KaimingNormal
from tests.contract.rooms import choices, variants

CLASSES = choices("architecture")
# Each as it is by itself, and one with noise.
RECIPES: dict[str, Architecture] = {name: cls() for name, cls in CLASSES.items()} | {
    "mlp with dropout": MLP(hidden=(16, 16), dropout=0.5)
}
each = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}

INPUTS, OUTPUTS, BATCH = (8, 8), 10, 6
IMAGES = torch.randn(BATCH, *INPUTS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(recipe: Architecture, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network in training, started from fixed weights."""
    module = recipe.build(shape(recipe), OUTPUTS).to(dtype)
    KaimingNormal().apply(module, seed=0)
    return module.train()


def shape(recipe: Architecture) -> tuple[int, ...]:
    return {True: (math.prod(INPUTS),), False: INPUTS}[recipe.flat]


def x(recipe: Architecture, dtype: torch.dtype = torch.float64) -> Tensor:
    return IMAGES.reshape(BATCH, *shape(recipe)).to(dtype)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"linear", "mlp"} <= CLASSES.keys()


@each_dtype
@each
def test_it_maps_a_batch_of_inputs_to_a_score_for_each_output(recipe: Architecture, dtype: torch.dtype) -> None:
    output = built(recipe, dtype)(x(recipe, dtype))
    assert output.shape == (BATCH, OUTPUTS)
    assert output.dtype == dtype
    assert output.isfinite().all()


@each
def test_it_has_as_many_outputs_as_it_is_told(recipe: Architecture) -> None:
    assert recipe.build(shape(recipe), 1).double()(x(recipe)).shape == (BATCH, 1)


@each
def test_its_scores_are_not_yet_probabilities(recipe: Architecture) -> None:
    output = built(recipe)(10 * x(recipe))
    assert output.min() < 0
    assert output.max() > 1


@each
def test_its_parameters_are_plain_trainable_tensors_without_hooks(recipe: Architecture) -> None:
    module = built(recipe)
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert not part._backward_hooks
    parameters = list(module.parameters())
    assert parameters
    assert all(type(parameter) is nn.Parameter and parameter.requires_grad for parameter in parameters)


@each
def test_theta_can_take_its_parameters_over(recipe: Architecture) -> None:
    module, other = built(recipe), built(recipe)
    theta, _ = adopt(module)
    assert torch.equal(module(x(recipe)), other(x(recipe)))
    theta.zero_()
    assert not module(x(recipe)).any()


@each
def test_every_parameter_has_a_part_in_the_scores(recipe: Architecture) -> None:
    module = built(recipe)
    for g in torch.autograd.grad(module(x(recipe)).square().sum(), list(module.parameters())):
        assert g.any()


@each
def test_its_random_numbers_come_from_outside(recipe: Architecture) -> None:
    module = built(recipe)
    asked = Objective(module, lambda output, target: output.square().mean(), *adopt(module))
    before = torch.random.get_rng_state()
    values = []
    for _ in range(2):
        asked.on(x(recipe), torch.zeros(BATCH), stream(0, "noise", 1))
        values += [asked.value(asked.theta), asked.value(asked.theta)]
    assert len(set(values)) == 1
    assert torch.equal(torch.random.get_rng_state(), before)


@each
def test_in_use_an_example_is_judged_by_itself(recipe: Architecture) -> None:
    module = built(recipe).eval()
    with torch.no_grad():
        together = module(x(recipe))
        alone = torch.cat([module(one) for one in x(recipe).split(1)])
    # a product of matrices sums 128 terms in another order than one of a matrix and a vector
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-13)


@each
def test_in_use_there_is_no_noise(recipe: Architecture) -> None:
    module = built(recipe).eval()
    quiet = module(x(recipe))
    for part in module.modules():
        if isinstance(part, Noisy):
            part.draw(BATCH, stream(0, "noise", 1), quiet)
    assert torch.equal(module(x(recipe)), quiet)


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_result(one: Architecture, other: Architecture) -> None:
    def output(recipe: Architecture) -> Tensor:
        module = built(recipe)
        asked = Objective(module, lambda out, target: out.sum(), *adopt(module))
        asked.on(x(recipe), torch.zeros(BATCH), stream(0, "noise", 1))
        asked.value_and_grad(asked.theta)
        return asked.output

    assert not torch.equal(output(one), output(other))


@each
def test_equal_arguments_make_equal_recipes(recipe: Architecture) -> None:
    same = type(recipe)(**vars(recipe))
    assert same == recipe
    assert hash(same) == hash(recipe)
