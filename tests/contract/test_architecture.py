"""The exam of every architecture in runner/architecture/."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.activation.maxout import Maxout
from runner.architecture.base import Architecture, examine
from runner.architecture.convnet import ConvNet
from runner.architecture.lstm import LSTM
from runner.architecture.mlp import MLP
from runner.architecture.normalization.batch import Batch
from runner.architecture.normalization.instance import Instance
from runner.architecture.normalization.layer import Layer
from runner.architecture.resnet import ResNet
from runner.architecture.rnn import RNN
from runner.architecture.transformer import Transformer
from runner.core.check import Choice
from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.noise import Noisy
from runner.core.objective import Objective
from runner.core.streams import stream
from runner.core.theta import adopt
from runner.init.kaiming_normal import KaimingNormal
from tests.contract.rooms import choices, variants

CLASSES = choices("architecture")
# Each as it is by itself, and some with noise and statistics.
RECIPES: dict[str, Architecture] = {name: cls() for name, cls in CLASSES.items()} | {
    "mlp with dropout": MLP(hidden=(16, 16), dropout=0.5),
    "mlp with batch": MLP(hidden=(16, 16), normalization=Batch()),
    "convnet with dropout": ConvNet(dropout=0.5, normalization=Layer()),
    "resnet with dropout": ResNet(dropout=0.5),
    "rnn with layer": RNN(dropout=0.5, normalization=Layer()),
    "lstm with dropout": LSTM(dropout=0.5),
    "transformer of patches": Transformer(patch=2, dropout=0.5),
}
each = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}
# Arguments that say how another one works, and a value of that one with which it does.
WORKS_WITH: dict[str, dict[str, Any]] = {"dropout_scaling": {"dropout": 0.5}}
ACTIVATIONS = {name: cls() for name, cls in choices("architecture/activation").items()}
NORMALIZATIONS = {name: cls() for name, cls in choices("architecture/normalization").items()}

INPUTS, OUTPUTS, BATCH = (8, 8), 10, 6
IMAGES = torch.randn(BATCH, *INPUTS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(recipe: Architecture, dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
    """The network in training, started from fixed weights."""
    module = recipe.build(shape(recipe), OUTPUTS).to(dtype)
    KaimingNormal().apply(module, seed)
    return module.train()


def shape(recipe: Architecture) -> tuple[int, ...]:
    return {True: (math.prod(INPUTS),), False: INPUTS}[recipe.flat]


def x(recipe: Architecture, dtype: torch.dtype = torch.float64) -> Tensor:
    return IMAGES.reshape(BATCH, *shape(recipe)).to(dtype)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"linear", "mlp", "convnet", "resnet", "rnn", "lstm", "transformer"} <= CLASSES.keys()


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
    module = built(recipe)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 4
        output = module(10 * x(recipe))
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


def output(recipe: Architecture) -> Tensor:
    module = built(recipe)
    asked = Objective(module, lambda out, target: out.sum(), *adopt(module))
    asked.on(x(recipe), torch.zeros(BATCH), stream(0, "noise", 1))
    asked.value_and_grad(asked.theta)
    return asked.output


@pytest.mark.parametrize("knob", KNOBS)
def test_every_argument_changes_the_result(knob: str) -> None:
    one, other = (replace(recipe, **WORKS_WITH.get(knob.split()[-1], {})) for recipe in KNOBS[knob])
    assert not torch.equal(output(one), output(other))


# What some cannot take: a residual sum needs equal channels, the steps of a recurrent network share no statistics over
# examples, a unit that is no channel of an image has no mean of its own.
REFUSED: list[tuple[type[Architecture], Choice]] = [
    (ResNet, Maxout()),
    (RNN, Batch()),
    *((cls, Instance()) for cls in (MLP, RNN)),
]


def holds(recipe: Architecture, field: str) -> bool:
    return field in {one.name for one in fields(recipe)}


PAIRS = [
    pytest.param(cls, field, part, id=f"{name} {word}")
    for field, parts in (("activation", ACTIVATIONS), ("normalization", NORMALIZATIONS))
    for word, part in parts.items()
    for name, cls in CLASSES.items()
    if holds(cls(), field)
]


@pytest.mark.parametrize(("cls", "field", "part"), PAIRS)
def test_each_activation_and_normalization_goes_with_it_or_is_refused(
    cls: type[Architecture], field: str, part: Choice
) -> None:
    recipe = cls(**{field: part})
    if (cls, part) in REFUSED:
        with pytest.raises(ConfigError, match=f"^architecture.{field}"):
            recipe.build(shape(recipe), OUTPUTS)
        return
    module = recipe.build(shape(recipe), OUTPUTS)
    KaimingNormal().apply(module.double(), seed=0)
    examine(module.train(), x(recipe), OUTPUTS)
    assert module(x(recipe)).isfinite().all()
    if part != getattr(cls(), field):
        assert not torch.equal(output(recipe), output(cls()))


@each
def test_an_examination_finds_it_fit_and_leaves_it_as_it_was(recipe: Architecture) -> None:
    module = built(recipe)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    examine(module, x(recipe), OUTPUTS)
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@each
def test_one_example_alone_can_be_trained_on(recipe: Architecture) -> None:
    module = built(recipe)
    asked = Objective(module, lambda out, target: out.square().mean(), *adopt(module))
    asked.on(x(recipe)[:1], torch.zeros(1), stream(0, "noise", 1))
    value, g = asked.value_and_grad(asked.theta)
    assert math.isfinite(value)
    assert g.isfinite().all()
    assert all(buffer.isfinite().all() for buffer in asked.buffers.values())


@each
def test_its_hessian_is_the_slope_of_its_gradient_and_gauss_newton_is_no_less_than_zero(recipe: Architecture) -> None:
    module = built(recipe)
    asked = Curved(module, lambda out, target: out.square().mean(), *adopt(module))
    asked.on(x(recipe), torch.zeros(BATCH), stream(0, "noise", 1))
    v = torch.randn(asked.layout.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = 1e-6 / v.norm()  # short, since a relu that switches on the way would be a jump of the gradient
    ahead, behind = (asked.value_and_grad(asked.theta + step * v)[1].clone() for step in (h, -h))
    product = asked.hessian(asked.theta)(v)
    # a difference of gradients of size g errs by 1e-16 g / h
    assert (product - (ahead - behind) / (2 * h)).norm() < 1e-6 * product.norm() + 1e-15 * ahead.norm() / h
    assert v @ asked.gauss_newton(asked.theta)(v) >= 0


TWICE = RECIPES | {
    f"{word} in {name}": replace(recipe, **{field: part})
    for field, parts in (("activation", ACTIVATIONS), ("normalization", NORMALIZATIONS))
    for word, part in parts.items()
    for name, recipe in (("mlp", MLP(hidden=(16, 16))), ("convnet", ConvNet()))
    if (type(recipe), part) not in REFUSED
}


@pytest.mark.parametrize("recipe", TWICE.values(), ids=TWICE)
def test_its_curvature_answers_rows_as_it_answers_each(recipe: Architecture) -> None:
    module = built(recipe)
    asked = Curved(module, lambda out, target: out.sin().mean(), *adopt(module))
    asked.on(x(recipe), torch.zeros(BATCH), stream(0, "noise", 1))
    rows = torch.randn(3, asked.layout.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for make in (asked.hessian, asked.gauss_newton):
        product = make(asked.theta)
        each = torch.stack([product(v) for v in rows])
        assert each.any()
        # the same sums in another order: some hundred roundings of 1e-16, of the largest numbers
        torch.testing.assert_close(product(rows), each, rtol=1e-12, atol=1e-14 * float(each.abs().max()))


@pytest.mark.parametrize("training", [True, False], ids=["training", "in use"])
@each
def test_its_gradient_can_be_mapped_over_rows_of_parameters_and_buffers(recipe: Architecture, training: bool) -> None:
    # What runs side by side need: no branch on a value, nothing kept but in parameters and buffers.
    rows = [built(recipe, seed=seed).train(training) for seed in (1, 2)]
    stacked, kept = torch.func.stack_module_state(rows)
    buffers = {name: buffer.clone() for name, buffer in kept.items()}

    def loss(p: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        scores: Tensor = torch.func.functional_call(rows[0], (p, b), (x(recipe),))
        return scores.square().mean()

    together = torch.func.vmap(torch.func.grad(loss))(stacked, buffers)
    for row, one in enumerate(rows):
        alone = torch.autograd.grad(one(x(recipe)).square().mean(), list(one.parameters()))
        for name, g in zip(stacked, alone, strict=True):
            # other kernels, which sum in another order
            torch.testing.assert_close(together[name][row], g, rtol=1e-9, atol=1e-10)
        for name, buffer in one.named_buffers():
            torch.testing.assert_close(buffers[name][row], buffer, rtol=1e-12, atol=1e-13)


@each
def test_it_has_second_derivatives(recipe: Architecture) -> None:
    module = built(recipe)
    parameters = list(module.parameters())
    g = torch.autograd.grad(module(x(recipe)).square().mean(), parameters, create_graph=True)
    curved = torch.autograd.grad(sum((one * one.detach()).sum() for one in g), parameters)  # H g
    assert all(one.isfinite().all() for one in curved)
    assert any(one.any() for one in curved)


@each
def test_equal_arguments_make_equal_recipes(recipe: Architecture) -> None:
    same = type(recipe)(**vars(recipe))
    assert same == recipe
    assert hash(same) == hash(recipe)
