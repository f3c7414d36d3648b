"""The curvature of the loss on a mini-batch, and the loss on other examples."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from runner.core.curvature import Curved
from runner.core.errors import ConfigError, Diverged
from runner.core.moments import Moments
from runner.core.objective import Counts
from runner.core.streams import stream
from runner.core.theta import adopt
from tests.core.test_objective import Bowl, X, Y, infinite_gradient, nan_loss, net

DIRECTION = torch.linspace(-1, 1, 43, dtype=torch.float64)


def curved(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy) -> Curved:
    made = Curved(module, loss, *adopt(module), pool=Pool(), drawn=lambda n, t: torch.tensor([3, 0, 5, 1, 4, 2])[:n])
    made.on(X, Y, stream(0, "noise", 1))
    return made


class Pool:
    """The six examples as all there are."""

    def __len__(self) -> int:
        return len(Y)

    def rows(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return X[numbers], Y[numbers]


def dense(product: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """The matrix of a symmetric operator."""
    return torch.stack([product(e) for e in torch.eye(size, dtype=torch.float64)])


@pytest.mark.parametrize("shift", [0.0, 0.1])
@pytest.mark.parametrize("summed", [False, True])
def test_a_product_with_the_hessian_is_the_slope_of_the_gradient(summed: bool, shift: float) -> None:
    module = net(0.5)
    asked = Curved(module, F.cross_entropy, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))
    at = asked.theta + shift
    h = 1e-5  # a central difference errs by h^2 g'''/6 + eps/h, here both about 1e-11
    ahead, behind = (asked.value_and_grad(at + step * DIRECTION)[1].clone() for step in (h, -h))
    torch.testing.assert_close(asked.hessian(at)(DIRECTION), (ahead - behind) / (2 * h), rtol=0, atol=1e-8)


def test_the_hessian_is_the_one_that_torch_forms() -> None:
    asked, module = curved(net()), net()
    theta, layout = adopt(module)

    def loss(theta: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(module, layout.named(theta), (X,)), Y)

    expected = torch.autograd.functional.hessian(loss, theta)
    torch.testing.assert_close(dense(asked.hessian(asked.theta), 43), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("loss", [F.cross_entropy, lambda z, y: (z - F.one_hot(y, 3)).square().mean()])
def test_the_gauss_newton_matrix_is_that_of_its_definition(
    loss: Callable[[Tensor, Tensor], Tensor], summed: bool
) -> None:
    module = net(0.5)
    asked = Curved(module, loss, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))

    def scores(theta: Tensor) -> Tensor:
        found: Tensor = functional_call(module, asked.layout.named(theta), (X,))
        return found

    weight = len(Y) if summed else 1
    at = asked.theta.clone()
    jacobian = torch.autograd.functional.jacobian(scores, at).reshape(18, 43)
    bend = torch.autograd.functional.hessian(lambda z: weight * loss(z, Y), scores(at)).reshape(18, 18)
    expected = jacobian.T @ bend @ jacobian + torch.eye(43, dtype=torch.float64)  # the bowl is |theta|^2/2
    torch.testing.assert_close(dense(asked.gauss_newton(at), 43), expected, rtol=1e-12, atol=1e-15)


def test_rows_are_answered_and_counted_as_each_of_them() -> None:
    module = net(0.5)
    asked = Curved(module, F.cross_entropy, *adopt(module), penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))
    rows = torch.stack([DIRECTION, DIRECTION.square(), DIRECTION.exp()])
    for make in (asked.hessian, asked.gauss_newton, asked.empirical_fisher):
        product = make(asked.theta)
        each = torch.stack([product(v) for v in rows])
        before = asked.counts.hvp
        torch.testing.assert_close(product(rows), each, rtol=1e-12, atol=1e-15)
        assert asked.counts.hvp - before == (0 if make == asked.empirical_fisher else 3 * len(X))


def test_without_hidden_units_gauss_newton_and_hessian_are_one() -> None:
    asked = curved(nn.Linear(4, 3).double())
    hessian, gauss_newton = (dense(each(asked.theta), 15) for each in (asked.hessian, asked.gauss_newton))
    torch.testing.assert_close(gauss_newton, hessian, rtol=1e-13, atol=1e-16)


def test_an_operator_stays_where_it_was_made() -> None:
    asked = curved(net(0.5))
    for make in (asked.hessian, asked.gauss_newton):
        product = make(asked.theta)
        before = product(DIRECTION)
        asked.theta.mul_(2)
        assert torch.equal(product(DIRECTION), before)
        asked.theta.div_(2)


def test_the_hessian_of_a_loss_that_is_straight_in_theta_is_zero() -> None:
    asked = curved(nn.Linear(4, 3).double(), lambda output, target: output.sum())
    for make in (asked.hessian, asked.gauss_newton):
        assert make(asked.theta)(torch.ones(15).double()).count_nonzero() == 0


def test_the_gradients_of_the_examples_are_those_of_each_alone_with_its_noise() -> None:
    asked = curved(net(0.5))
    found = asked.per_example(asked.theta)
    _, g = asked.value_and_grad(asked.theta)
    torch.testing.assert_close(found.mean(0), g, rtol=1e-13, atol=1e-16)
    plain = curved(net())
    for row, x, y in zip(plain.per_example(plain.theta), X, Y, strict=True):
        plain.on(x[None], y[None])
        torch.testing.assert_close(row, plain.value_and_grad(plain.theta)[1], rtol=1e-13, atol=1e-16)


def test_the_empirical_fisher_matrix_is_the_mean_of_the_outer_products_of_gradients() -> None:
    asked = curved(net(0.5))
    rows = asked.per_example(asked.theta)
    expected = torch.stack([torch.outer(g, g) for g in rows]).mean(0)
    torch.testing.assert_close(dense(asked.empirical_fisher(asked.theta), 43), expected, rtol=1e-12, atol=1e-16)


def test_gauss_newton_is_the_fisher_matrix_of_targets_that_the_model_draws() -> None:
    # The mean over targets k of the model's own probabilities p_k, taken exactly: sum_k p_ik g_ik g_ik', mean over i.
    asked = curved(net())
    probabilities = asked.module(X).softmax(-1).detach()
    expected = torch.zeros(43, 43, dtype=torch.float64)
    for k in range(3):
        asked.on(X, torch.full_like(Y, k))
        g = asked.per_example(asked.theta)
        expected += (probabilities[:, k, None] * g).T @ g / len(X)
    asked.on(X, Y)
    torch.testing.assert_close(dense(asked.gauss_newton(asked.theta), 43), expected, rtol=1e-11, atol=1e-15)


def test_a_sample_is_the_loss_on_other_examples_and_counts_with_the_mini_batch() -> None:
    asked, alone = curved(net()), curved(net())
    part = asked.sample(2, t=1)
    alone.on(X[[3, 0]], Y[[3, 0]])
    value, g = part.value_and_grad(asked.theta)
    expected, expected_g = alone.value_and_grad(alone.theta)
    assert value == expected
    assert torch.equal(g, expected_g)
    assert asked.counts == Counts(2, 2)
    part.hessian(asked.theta)(DIRECTION)
    assert asked.counts == Counts(4, 4, 2)
    assert torch.equal(asked.target, Y[[3, 0]])  # the metrics of training are of the first gradient
    assert asked.first == alone.first
    asked.on(X, Y)
    asked.value_and_grad(asked.theta)
    asked.sample(2, t=1).value_and_grad(asked.theta)
    assert torch.equal(asked.target, Y)
    assert len(asked.sample(100, t=1).y) == 6


def test_passes_are_counted_in_examples() -> None:
    asked = curved(net())
    product = asked.hessian(asked.theta)
    assert asked.counts == Counts(6, 6)
    product(DIRECTION)
    product(DIRECTION)
    assert asked.counts == Counts(6, 6, 12)
    asked.per_example(asked.theta)
    asked.gauss_newton(asked.theta)(DIRECTION)
    assert asked.counts == Counts(18, 18, 18)


def test_dropout_and_batch_norm_are_refused_where_they_make_no_sense() -> None:
    noisy, still = curved(net(0.5)), curved(net())
    still.refuse(["one_function", "samples", "per_example"], "lbfgs")
    noisy.refuse(["hessian", "per_example"], "newton")
    with pytest.raises(ConfigError) as caught:
        noisy.refuse(["one_function"], "lbfgs")
    assert str(caught.value) == (
        "optimizer=lbfgs is refused\n"
        "  allowed: a network without noise: dropout makes the loss another function in every step, and this method "
        "compares its values and gradients from step to step, or takes them of other examples\n"
        "  do this: give architecture.dropout=0, or choose optimizer=adam, say"
    )
    normed = curved(nn.Sequential(nn.Linear(4, 3), Layer(3)).double().train())
    normed.refuse(["hessian", "one_function"], "lbfgs")
    with pytest.raises(ConfigError) as caught:
        normed.refuse(["per_example"], "kfac")
    assert str(caught.value) == (
        "optimizer=kfac is refused\n"
        "  allowed: a network in which an example's loss does not depend on the others in its mini-batch, as it does "
        "through the batch norm in this one\n"
        "  do this: give architecture/normalization=layer or none, or choose another optimizer"
    )


def test_a_network_that_is_too_large_for_a_matrix_is_refused_by_name() -> None:
    fitting, large = (curved(nn.Linear(n, 40).double()) for n in (49, 50))
    fitting.refuse(["one_function", "matrix"], "bfgs")
    large.refuse(["one_function"], "lbfgs")
    with pytest.raises(ConfigError) as caught:
        large.refuse(["one_function", "matrix"], "bfgs")
    assert str(caught.value) == (
        "optimizer=bfgs is refused\n"
        "  allowed: a network with at most 2000 parameters, since this method forms a matrix with a row for each; this "
        "one has 2040\n"
        "  do this: give architecture=linear or smaller layers, or choose optimizer=lbfgs, say, which forms none"
    )


def graphed(asked: Curved) -> tuple[float, Tensor, list[Tensor]]:
    """The value, the gradient as one vector, and the parameters that it can be differentiated by."""
    parameters = [view.detach().clone().requires_grad_() for view in asked.layout.views(asked.theta)]
    value, gradients = asked.value_and_graph(parameters)
    return value, torch.cat([g.reshape(-1) for g in gradients]), parameters


@pytest.mark.parametrize("summed", [False, True])
def test_a_gradient_with_a_graph_is_the_gradient(summed: bool) -> None:
    module = net(0.5)
    asked = Curved(module, F.cross_entropy, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))
    value, g = asked.value_and_grad(asked.theta)
    first, output = asked.first, asked.output
    asked.on(X, Y, stream(0, "noise", 1))
    found, found_g, _ = graphed(asked)
    # the same sums in another order: the penalty joins the loss before the gradient is taken, not after
    assert found == pytest.approx(value, rel=1e-14, abs=0)
    torch.testing.assert_close(found_g.detach(), g, rtol=1e-13, atol=1e-16)
    assert asked.first == pytest.approx(first, rel=1e-14, abs=0)
    torch.testing.assert_close(asked.output, output, rtol=1e-14, atol=0)
    assert asked.counts == Counts(12, 12)


def test_a_gradient_with_a_graph_has_the_slope_of_the_gradient() -> None:
    asked = curved(net())
    _, g, parameters = graphed(asked)
    direction = torch.linspace(-1, 1, len(g), dtype=torch.float64)
    products = torch.autograd.grad(g @ direction, parameters)
    h = 1e-5  # a central difference errs by h^2 g'''/6 + eps/h, here both about 1e-11
    ahead, behind = (asked.value_and_grad(asked.theta + step * direction)[1].clone() for step in (h, -h))
    torch.testing.assert_close(
        torch.cat([each.reshape(-1) for each in products]), (ahead - behind) / (2 * h), rtol=0, atol=1e-9
    )


def test_the_gradient_of_a_loss_that_is_straight_in_theta_has_a_graph_too() -> None:
    module = nn.Linear(4, 3).double()
    asked = curved(module, lambda output, target: output.sum())
    _, g, parameters = graphed(asked)
    assert [each.count_nonzero().item() for each in torch.autograd.grad(g.sum(), parameters)] == [0, 0]


@pytest.mark.parametrize("loss", [nan_loss, infinite_gradient])
def test_a_gradient_with_a_graph_that_is_not_finite_is_divergence(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    asked, plain = curved(net(), loss), curved(net(), loss)
    with pytest.raises(Diverged) as expected:
        plain.value_and_grad(plain.theta)
    with pytest.raises(Diverged) as caught:
        graphed(asked)
    assert str(caught.value) == str(expected.value)


def test_moments_are_kept_once_for_a_mini_batch_by_gradients_with_a_graph_too() -> None:
    def kept(times: int) -> Tensor:
        torch.manual_seed(0)
        asked = curved(nn.Sequential(nn.Linear(4, 3), Layer(3)).double().train())
        for _ in range(times):
            graphed(asked)
        return asked.buffers["1.mean"].clone()

    assert kept(1).count_nonzero() == 3
    assert torch.equal(kept(1), kept(2))


class Layer(Moments):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=0.5, eps=1e-5, exact=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalized(x, None, None)


def test_a_mini_batch_knows_which_part_of_the_examples_it_is() -> None:
    asked = curved(net())
    assert asked.share() == 1
    asked.on(X[:3], Y[:3])
    assert asked.share() == 0.5


class Steps(nn.Module):
    """A function of steps, whose derivative is 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sign()


def test_the_curvature_of_a_layer_behind_steps_is_0() -> None:
    asked = curved(nn.Sequential(nn.Linear(4, 3), Steps(), nn.Linear(3, 3)).double())
    for make in (asked.hessian, asked.gauss_newton):
        found = dense(make(asked.theta), 27)
        assert found[:15].count_nonzero() == found[:, :15].count_nonzero() == 0
        assert found[15:].any()


@pytest.mark.parametrize("summed", [False, True])
def test_the_losses_at_many_rows_are_those_at_each_of_them_with_the_same_noise(summed: bool) -> None:
    module = net(0.5)
    asked = Curved(module, F.cross_entropy, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))
    rows = torch.stack([asked.theta + shift * DIRECTION for shift in (0.0, 0.3, -2.0)])
    found = asked.values(rows)
    assert asked.counts == Counts(forward=3 * len(Y))
    expected = torch.tensor([asked.value(row) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)  # sums in another order
    assert not found.requires_grad
