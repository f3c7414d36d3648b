"""The exam of every normalization in runner/architecture/normalization/."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.convnet import ConvNet
from runner.architecture.normalization.base import Normalization
from runner.core.objective import Objective
from runner.core.theta import adopt
from runner.init.normal import Normal
from tests.contract.rooms import choices, variants

CLASSES = choices("architecture/normalization")
LAYERS = {name: cls() for name, cls in CLASSES.items() if cls().build(8, 6) is not None}
each = pytest.mark.parametrize("recipe", LAYERS.values(), ids=LAYERS)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}
X = 3 + 2 * torch.randn(7, 8, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(recipe: Normalization, channels: int = 8) -> nn.Module:
    module = recipe.build(channels, 6)
    assert module is not None
    return module.double().train()


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"none", "batch", "layer", "group", "instance"} <= CLASSES.keys()
    assert CLASSES.keys() - LAYERS.keys() == {"none"}


@each_dtype
@each
def test_it_keeps_shape_and_dtype_in_training_and_in_use(recipe: Normalization, dtype: torch.dtype) -> None:
    module, x = built(recipe).to(dtype), X.to(dtype)
    for training in (True, False):
        z = module.train(training)(x)
        assert (z.shape, z.dtype) == (x.shape, dtype)
        assert z.isfinite().all()


@each
def test_it_has_a_scale_and_a_shift_for_each_channel(recipe: Normalization) -> None:
    module = built(recipe)
    assert {name: p.shape for name, p in module.named_parameters()} == {"weight": (8,), "bias": (8,)}
    z = module(X)
    with torch.no_grad():
        module.weight.copy_(torch.arange(8))  # type: ignore[operator]
        module.bias.copy_(torch.arange(8) ** 2)  # type: ignore[operator]
    expected = z * torch.arange(8).view(8, 1, 1) + (torch.arange(8) ** 2).view(8, 1, 1)
    torch.testing.assert_close(module(X), expected, rtol=1e-12, atol=1e-12)


@each
def test_its_scales_start_at_1_and_its_shifts_at_0_whatever_draws_the_weights(recipe: Normalization) -> None:
    module = ConvNet(normalization=recipe).build((8, 8), 3)
    Normal().apply(module, seed=0)
    norms = [part for part in module.modules() if isinstance(part, type(built(recipe)))]
    assert len(norms) == 2
    for norm in norms:
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))  # type: ignore[arg-type, call-overload]
        assert not norm.bias.any()  # type: ignore[operator, union-attr]


@each
def test_scale_and_shift_of_the_input_are_taken_away_in_training(recipe: Normalization) -> None:
    # 1e-5 beside variances of about 4 and of about 400
    torch.testing.assert_close(built(recipe)(10 * X + 5), built(recipe)(X), rtol=1e-4, atol=1e-4)


@each
def test_constant_inputs_become_the_shift(recipe: Normalization) -> None:
    # 2.5 is exact in binary, and so are all sums of it
    assert not built(recipe)(torch.full_like(X, 2.5)).any()


@each
def test_its_gradient_is_the_slope(recipe: Normalization) -> None:
    module = built(recipe)
    assert torch.autograd.gradcheck(lambda x: module(x), (X[:3].clone().requires_grad_(),))


@each
def test_whether_it_mixes_examples_is_what_it_says(recipe: Normalization) -> None:
    module = built(recipe)
    alone, together = module(X[:2])[:1], module(torch.cat([X[:1], 9 + X[1:2]]))[:1]
    assert torch.allclose(alone, together, rtol=1e-12, atol=0) != recipe.mixes


@each
def test_whether_it_takes_the_mean_of_a_channel_away_is_what_it_says(recipe: Normalization) -> None:
    module, shift = built(recipe), torch.linspace(0, 9, 8, dtype=torch.float64).view(8, 1, 1)
    assert torch.allclose(module(X + shift), module(X), rtol=1e-9, atol=1e-12) == recipe.centers


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_result(one: Normalization, other: Normalization) -> None:
    def output(recipe: Normalization) -> Tensor:
        module = recipe.build(20, 6)  # a number of channels that 4 and 5 divide
        assert module is not None
        module.double().train()
        asked = Objective(module, lambda z, y: z.sin().mean(), *adopt(module))
        x = torch.cat([X, X.flip(0), X[:, :4]], dim=1)
        asked.on(x, x)
        asked.value_and_grad(asked.theta)
        asked.refit(asked.theta, [x])
        with asked.evaluation(asked.theta) as network:
            return torch.cat([asked.output, network(x)])

    assert not torch.equal(output(one), output(other))


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_equal_constants_make_equal_recipes(cls: type[Normalization]) -> None:
    assert cls() == cls()
    assert hash(cls()) == hash(cls())
