"""What is asked of the parameters beside a small loss."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.objective import Objective
from runner.core.theta import Layout, Slot, adopt
from runner.regularizer.base import Regularizer
from runner.regularizer.double_soft_orthogonal import DoubleSoftOrthogonal
from runner.regularizer.l1 import L1
from runner.regularizer.l2 import L2
from runner.regularizer.none import NoRegularizer
from runner.regularizer.soft_orthogonal import SoftOrthogonal
from runner.regularizer.spectral_orthogonal import SpectralOrthogonal
from runner.regularizer.sum_of import SumOf

NUMBERS = torch.Generator().manual_seed(0)
X = torch.randn(30, 6, generator=NUMBERS, dtype=torch.float64)
Y = torch.randint(3, (30,), generator=NUMBERS)
SHAPES = [(3, 5), (5, 3), (4, 4)]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def one(matrix: Tensor) -> tuple[Tensor, Layout]:
    """theta and layout of one matrix and nothing else."""
    return matrix.flatten(), Layout((Slot("w", tuple(matrix.shape), 0, matrix.numel()),))


def matrix(shape: tuple[int, int]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def ours(rule: Regularizer, steps: int, lr: float = 0.1) -> Tensor:
    """Gradient descent on loss + penalty."""
    module = net()
    asked = Objective(module, F.cross_entropy, *adopt(module), penalty=rule.term)
    asked.on(X, Y)
    for _ in range(steps):
        _, g = asked.value_and_grad(asked.theta)
        asked.theta.add_(g, alpha=-lr)
    return asked.theta


def torchs(optimizer: torch.optim.Optimizer, module: nn.Module, steps: int) -> Tensor:
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(module(X), Y).backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach()


def test_l2_under_plain_sgd_is_the_weight_decay_of_torch() -> None:
    module = net()
    twin = torchs(torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.3), module, 100)
    torch.testing.assert_close(ours(L2(strength=0.3, biases=True), 100), twin, rtol=0, atol=1e-12)


def test_l2_leaves_biases_alone_unless_it_is_told_otherwise() -> None:
    module = net()
    weights = [p for p in module.parameters() if p.ndim == 2]
    biases = [p for p in module.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 0.3}, {"params": biases, "weight_decay": 0.0}]
    twin = torchs(torch.optim.SGD(groups, lr=0.1), module, 100)
    torch.testing.assert_close(ours(L2(strength=0.3), 100), twin, rtol=0, atol=1e-12)


def test_l2_with_adam_is_its_weight_decay_and_not_that_of_adamw() -> None:
    module = net()
    theta, layout = adopt(module)
    twins = {
        kind: torchs(kind(each.parameters(), lr=0.01, weight_decay=0.3), each, 100)
        for kind, each in ((torch.optim.Adam, net()), (torch.optim.AdamW, net()))
    }
    found = nn.Parameter(theta.clone())
    adam, rule = torch.optim.Adam([found], lr=0.01), L2(strength=0.3, biases=True)
    asked = Objective(module, F.cross_entropy, theta, layout, penalty=rule)
    asked.on(X, Y)
    for _ in range(100):
        found.grad = asked.value_and_grad(found.detach())[1].clone()
        adam.step()
    torch.testing.assert_close(found.detach(), twins[torch.optim.Adam], rtol=0, atol=1e-12)
    assert (found - twins[torch.optim.AdamW]).abs().max().item() > 0.01


def test_the_first_two_steps_of_l2_by_hand() -> None:
    # one weight w = 2 and no data: w <- w - lr lambda w = 2 (1 - 0.1 * 0.5) = 1.9, then 1.9 * 0.95 = 1.805
    theta, layout = one(torch.tensor([[2.0]], dtype=torch.float64))
    for expected in (1.9, 1.805):
        theta = theta - 0.1 * L2(strength=0.5).value_and_grad(theta, layout)[1]
        assert theta.item() == pytest.approx(expected, rel=1e-15)


def test_l1_moves_every_weight_by_the_same_and_leaves_0_alone() -> None:
    theta, layout = one(torch.tensor([[2.0, -0.5, 0.0]], dtype=torch.float64))
    value, gradient = L1(strength=0.25).value_and_grad(theta, layout)
    assert value.item() == 0.625
    assert gradient.tolist() == [0.25, -0.25, 0.0]


def test_the_least_penalized_square_is_the_soft_threshold() -> None:
    # min_w (w - a)^2 / 2 + s |w| is sign(a) max(|a| - s, 0); steps of lr jump over 0 by at most lr s
    a = torch.tensor([[1.0, -0.7, 0.05]], dtype=torch.float64)
    theta, layout = one(torch.ones(1, 3, dtype=torch.float64))
    for _ in range(20_000):
        theta = theta - 1e-3 * (theta - a.flatten() + L1(strength=0.2).value_and_grad(theta, layout)[1])
    assert theta.tolist() == pytest.approx([0.8, -0.5, 0.0], abs=2e-4)


def gram_excess(w: Tensor) -> tuple[float, float]:
    """||W^T W - I||^2 and ||W W^T - I||^2."""
    return tuple((g - torch.eye(len(g))).square().sum().item() for g in (w.T @ w, w @ w.T))  # type: ignore[return-value]


@pytest.mark.parametrize("shape", SHAPES)
def test_soft_orthogonality_is_the_formula_up_to_a_constant_and_zero_where_it_can_be(shape: tuple[int, int]) -> None:
    w = matrix(shape)
    value = SoftOrthogonal(strength=1.0).value(*one(w)).item()
    assert value == pytest.approx(min(gram_excess(w)), rel=1e-13)
    columns = gram_excess(w)[0]  # the formula as printed
    assert columns - value == pytest.approx(max(0, shape[1] - shape[0]), abs=1e-11)
    flat = torch.linalg.qr(w if shape[0] >= shape[1] else w.T)[0]
    even = flat if shape[0] >= shape[1] else flat.T
    at_rest, gradient = SoftOrthogonal(strength=1.0).value_and_grad(*one(even.contiguous()))
    assert at_rest.item() == pytest.approx(0.0, abs=1e-28)  # squares of rounding errors
    assert gradient.abs().max().item() < 1e-14


@pytest.mark.parametrize("shape", SHAPES)
def test_double_soft_orthogonality_has_twice_the_gradient_of_the_soft_one(shape: tuple[int, int]) -> None:
    w = matrix(shape)
    value, gradient = DoubleSoftOrthogonal(strength=1.0).value_and_grad(*one(w))
    assert value.item() == pytest.approx(sum(gram_excess(w)), rel=1e-13)
    soft = SoftOrthogonal(strength=1.0).value_and_grad(*one(w))[1]
    torch.testing.assert_close(gradient, 2 * soft, rtol=1e-14, atol=0)
    naive = Regularizer.value_and_grad(DoubleSoftOrthogonal(strength=1.0), *one(w))[1]
    torch.testing.assert_close(gradient, naive, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_spectral_one_is_the_spectral_norm_of_the_smaller_excess(shape: tuple[int, int]) -> None:
    w = matrix(shape)
    small = w @ w.T if shape[0] <= shape[1] else w.T @ w
    expected = torch.linalg.matrix_norm(small - torch.eye(len(small)), 2).item()
    assert SpectralOrthogonal(strength=1.0).value(*one(w)).item() == pytest.approx(expected, rel=1e-13)
    lengths = torch.linalg.svdvals(w).square()
    assert expected == pytest.approx((lengths - 1).abs().max().item(), rel=1e-13)


def test_the_authors_two_power_iterations_do_not_exceed_the_spectral_norm() -> None:
    w = matrix((4, 4))
    a = w @ w.T - torch.eye(4)
    v = torch.rand(4, generator=NUMBERS, dtype=torch.float64)
    u = a @ v
    estimate = (a @ (u / u.norm())).norm().item()
    exact = SpectralOrthogonal(strength=1.0).value(*one(w)).item()
    assert 0.5 * exact < estimate <= exact


@pytest.mark.parametrize("rule", [SoftOrthogonal(strength=0.1), SpectralOrthogonal(strength=0.1)])
def test_steps_against_it_make_a_matrix_orthogonal(rule: Regularizer) -> None:
    theta, layout = one(matrix((3, 5)) / 2)
    for _ in range(2000):
        theta = theta - 0.05 * rule.value_and_grad(theta, layout)[1]
    w = theta.view(3, 5)
    # the spectral one steps to and fro by lr * strength at its kink
    torch.testing.assert_close(w @ w.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=0.05)


def test_a_kernel_is_a_matrix_with_a_row_for_each_output() -> None:
    kernel = torch.randn(2, 3, 2, 2, generator=NUMBERS, dtype=torch.float64)
    theta, layout = one(kernel)
    for rule in (SoftOrthogonal(strength=1.0), SpectralOrthogonal(strength=1.0)):
        assert rule.value(theta, layout).item() == rule.value(*one(kernel.flatten(1))).item()


def test_a_sum_is_a_sum() -> None:
    module = net()
    theta, layout = adopt(module)
    parts = {"a": L1(strength=0.1), "b": L2(strength=0.2, biases=True), "c": SoftOrthogonal(strength=0.3)}
    value, gradient = SumOf(terms=parts).value_and_grad(theta, layout)
    values, gradients = zip(*(part.value_and_grad(theta, layout) for part in parts.values()), strict=True)
    assert value.item() == pytest.approx(sum(v.item() for v in values), rel=1e-15)
    torch.testing.assert_close(gradient, sum(gradients), rtol=1e-15, atol=1e-18)
    nested = SumOf(terms={"x": SumOf(terms=parts), "y": L2(strength=0.5)})
    assert nested.value(theta, layout) > SumOf(terms=parts).value(theta, layout)


def test_without_a_penalty_training_is_bit_for_bit_that_without_the_room() -> None:
    module = copy.deepcopy(net())
    asked = Objective(module, F.cross_entropy, *adopt(module))
    asked.on(X, Y)
    for _ in range(20):
        asked.theta.add_(asked.value_and_grad(asked.theta)[1], alpha=-0.1)
    assert torch.equal(asked.theta, ours(NoRegularizer(), 20))
    assert torch.equal(asked.theta, ours(SumOf(), 20))
    assert not torch.equal(asked.theta, ours(L2(strength=0.1), 20))


def test_a_penalty_says_so_in_its_label() -> None:
    assert L2(strength=0.01).label == "penalty l2 strength=0.01"
    assert SumOf(terms={"l1": L1()}).label == "penalty sum_of"
