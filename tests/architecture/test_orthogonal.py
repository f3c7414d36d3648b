"""Weights that stay orthogonal because they are a function of free parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from runner.architecture.base import Map
from runner.architecture.mlp import MLP
from runner.architecture.orthogonal import MAPS, Orthogonal, householder
from runner.core.objective import Objective
from runner.core.theta import adopt
from runner.init.kaiming_normal import KaimingNormal

NAMES: tuple[Map, ...] = ("matrix_exp", "cayley", "householder")
each = pytest.mark.parametrize("name", NAMES)
each_shape = pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (5, 1), (1, 5)], ids=str)


def raw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(w: Tensor) -> float:
    """||W'W - I|| of a tall W, ||WW' - I|| of a wide one."""
    tall = w if w.shape[0] >= w.shape[1] else w.T
    return torch.linalg.matrix_norm(tall.T @ tall - torch.eye(tall.shape[1], dtype=w.dtype)).item()


@each_shape
@each
def test_any_parameters_give_an_orthogonal_weight(name: str, shape: tuple[int, int]) -> None:
    for scale in (1e-3, 1.0, 10.0):
        w = Orthogonal(MAPS[name])(scale * raw(*shape))
        assert w.shape == shape
        # Cayley solves with I - A/2, of condition about ||A|| = 100 here
        assert error(w) < 1e-11


@each_shape
@pytest.mark.parametrize("name", ["matrix_exp", "cayley"])
def test_it_is_torch_s_parametrization(name: str, shape: tuple[int, int]) -> None:
    layer = nn.Linear(shape[1], shape[0]).double()
    parametrizations.orthogonal(layer, orthogonal_map=name, use_trivialization=False)
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(raw(*shape))  # type: ignore[union-attr, operator]
    torch.testing.assert_close(Orthogonal(MAPS[name])(raw(*shape)), layer.weight, rtol=1e-12, atol=1e-13)


@each_shape
def test_reflections_are_torch_s_with_a_diagonal_of_1(shape: tuple[int, int]) -> None:
    layer = nn.Linear(shape[1], shape[0]).double()
    parametrizations.orthogonal(layer, orthogonal_map="householder", use_trivialization=False)
    x = raw(*shape)
    with torch.no_grad():
        x.diagonal().fill_(1.0)
        layer.parametrizations.weight.original.copy_(x)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(Orthogonal(householder)(x), layer.weight, rtol=1e-12, atol=1e-13)


def test_reflections_are_the_product_of_matrices_that_mirror() -> None:
    x = raw(5, 3)
    product = torch.eye(5, dtype=torch.float64)
    for i in range(3):
        v = torch.zeros(5, dtype=torch.float64)
        v[i] = 1
        v[i + 1 :] = x[i + 1 :, i]
        product @= torch.eye(5, dtype=torch.float64) - 2 * torch.outer(v, v) / (v @ v)
    torch.testing.assert_close(householder(x), product[:, :3], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["matrix_exp", "cayley"])
def test_parameters_of_0_are_the_identity(name: str) -> None:
    assert torch.equal(Orthogonal(MAPS[name])(torch.zeros(4, 3)), torch.eye(4, 3))


@each
def test_the_weight_of_every_hidden_layer_is_orthogonal_and_that_of_the_last_is_free(name: Map) -> None:
    module = MLP(hidden=(8, 6), orthogonal=name).build((4,), 3).double()
    KaimingNormal().apply(module, seed=0)
    first, second, last = module.layers  # type: ignore[misc, union-attr]
    assert error(first.weight) < 1e-13
    assert error(second.weight) < 1e-13
    assert error(last.weight) > 0.1


@each
def test_the_gradient_in_the_free_parameters_is_the_slope_of_the_loss(name: Map) -> None:
    assert torch.autograd.gradcheck(Orthogonal(MAPS[name]), (raw(5, 3).requires_grad_(),))


@each
def test_weights_stay_orthogonal_through_a_training_run(name: Map) -> None:
    # In float32: 300 steps of a rate that moves the weights a long way, with decay, which would shrink free ones.
    module = MLP(hidden=(32, 32), orthogonal=name).build((16,), 4)
    KaimingNormal().apply(module, seed=0)
    theta, layout = adopt(module)
    asked = Objective(module.train(), nn.functional.cross_entropy, theta, layout)
    numbers = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 16, generator=numbers), torch.randint(4, (64,), generator=numbers)
    asked.on(x, y)
    before, first = theta.clone(), asked.value(theta)
    for _ in range(300):
        _, g = asked.value_and_grad(theta)
        theta.mul_(1 - 1e-3).sub_(g, alpha=0.3)
        for layer in list(module.layers)[:-1]:  # type: ignore[arg-type]
            assert error(layer.weight.detach()) < 1e-5
    assert asked.value(theta) < 0.5 * first
    assert (theta - before).norm() > 1
