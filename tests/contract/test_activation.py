"""The exam of every activation in runner/architecture/activation/."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from runner.architecture.activation.base import Activation
from tests.contract.rooms import choices, variants

CLASSES = choices("architecture/activation")
each = pytest.mark.parametrize("activation", [cls() for cls in CLASSES.values()], ids=CLASSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
each_shape = pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 2)], ids=["vectors", "images"])
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}


def inputs(activation: Activation, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    batch, channels, *positions = shape
    x = 2 * torch.randn(batch, activation.width * channels, *positions, generator=torch.Generator().manual_seed(0))
    return x.to(dtype)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    named = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "abs", "maxout", "sign"}
    assert named <= CLASSES.keys()


@each_dtype
@each_shape
@each
def test_it_keeps_shape_and_dtype_up_to_its_width(
    activation: Activation, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    out = activation.function()(inputs(activation, shape, dtype))
    assert out.shape == shape
    assert out.dtype == dtype
    assert out.isfinite().all()


@each_shape
@each
def test_an_example_and_a_position_are_treated_by_themselves(activation: Activation, shape: tuple[int, ...]) -> None:
    function, x = activation.function(), inputs(activation, shape)
    alone = torch.cat([function(one) for one in x.split(1)])
    flipped = function(x.flip(0, *range(2, x.ndim))).flip(0, *range(2, x.ndim))
    # at another place a number may go through the processor's scalar unit: some units of rounding in an exponential
    torch.testing.assert_close(alone, function(x), rtol=1e-14, atol=1e-16)
    torch.testing.assert_close(flipped, function(x), rtol=1e-14, atol=1e-16)


@each
def test_it_leaves_its_input_and_the_random_numbers_alone(activation: Activation) -> None:
    x, before = inputs(activation, (5, 4)), torch.random.get_rng_state()
    kept = x.clone()
    activation.function()(x)
    assert torch.equal(x, kept)
    assert torch.equal(torch.random.get_rng_state(), before)


@each
def test_it_has_a_finite_derivative_far_out_and_at_0(activation: Activation) -> None:
    x = torch.tensor([-1e4, 0.0, 1e4], dtype=torch.float64).repeat(activation.width).view(1, -1).requires_grad_()
    (slope,) = torch.autograd.grad(activation.function()(x).sum(), x)
    assert slope.isfinite().all()


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_values_or_derivatives(one: Activation, other: Activation) -> None:
    def found(activation: Activation) -> list[list[float]]:
        x = inputs(activation, (5, 4)).requires_grad_()
        out = activation.function()(x)
        return [out.flatten().tolist(), torch.autograd.grad(out.sum(), x)[0].flatten().tolist()]

    assert found(one) != found(other)


@each
def test_equal_constants_make_equal_activations_that_nothing_can_change(activation: Activation) -> None:
    assert activation == type(activation)()
    assert hash(activation) == hash(type(activation)())
    with pytest.raises(dataclasses.FrozenInstanceError):
        activation.function = None  # type: ignore[method-assign, assignment]
