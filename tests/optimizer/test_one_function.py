"""The rules for one function, on quadratics whose answers are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from runner.core.errors import ConfigError, Diverged
from runner.core.products import Operator
from runner.core.theta import Layout, Slot
from runner.optimizer.backtracking import Backtracking
from runner.optimizer.base import Asked, Optimizer, State
from runner.optimizer.bfgs import BFGS, update_
from runner.optimizer.conjugate_gradient import ConjugateGradient
from runner.optimizer.coordinate_descent import CoordinateDescent
from runner.optimizer.exact_step import ExactStep
from runner.optimizer.lbfgs import LBFGS
from runner.optimizer.levenberg_marquardt import LevenbergMarquardt
from runner.optimizer.line import Line, OneFunction, first_length
from runner.optimizer.newton import Newton
from runner.optimizer.newton_cg import NewtonCG
from runner.optimizer.strong_wolfe import StrongWolfe
from runner.optimizer.trust_region import TrustRegion
from tests.optimizer.problems import flat

CONDITIONS = [4.0, 100.0, 1e4]


@dataclass
class Paraboloid(Asked):
    """L(theta) = theta.A theta / 2 - b.theta."""

    A: Tensor
    b: Tensor

    def value(self, theta: Tensor) -> float:
        return float(theta @ self.A @ theta / 2 - self.b @ theta)

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.value(theta), self.A @ theta - self.b

    def hessian(self, theta: Tensor) -> Operator:
        return lambda v: v @ self.A  # which is symmetric

    def gauss_newton(self, theta: Tensor) -> Operator:
        return lambda v: v @ self.A  # which is symmetric

    @property
    def minimum(self) -> Tensor:
        return torch.linalg.solve(self.A, self.b)


class Quartic(Paraboloid):
    """The sum of all theta^4 / 4 more, so that no length is exact."""

    def value(self, theta: Tensor) -> float:
        return super().value(theta) + float(theta.pow(4).sum()) / 4

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.value(theta), super().value_and_grad(theta)[1] + theta**3


def paraboloid(n: int, condition: float = 50.0) -> Paraboloid:
    """Eigenvalues from 1 to the condition number, in directions of no importance."""
    numbers = torch.Generator().manual_seed(0)
    Q, _ = torch.linalg.qr(torch.randn(n, n, generator=numbers, dtype=torch.float64))
    return Paraboloid(
        Q @ torch.diag(torch.logspace(0, math.log10(condition), n).double()) @ Q.T,
        torch.randn(n, generator=numbers, dtype=torch.float64),
    )


def axes(*curvatures: float) -> Paraboloid:
    """A bowl around 0 along the axes."""
    return Paraboloid(torch.diag(torch.tensor(curvatures, dtype=torch.float64)), torch.zeros(len(curvatures)).double())


def gone(
    rule: Optimizer, asked: Asked, theta: Tensor, steps: int, lr: float = 1.0, layout: Layout | None = None
) -> State:
    """The state after so many steps, which change `theta`."""
    state = rule.start(theta, layout or flat(len(theta)))
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, lr, t)
    return state


def test_newton_is_at_the_minimum_of_a_quadratic_in_one_step() -> None:
    asked, theta = paraboloid(6, 1e4), torch.zeros(6).double()
    gone(Newton(), asked, theta, 1)
    torch.testing.assert_close(theta, asked.minimum, rtol=0, atol=1e-11)  # condition * 1e-16, and some


def test_newton_goes_down_from_a_saddle_point() -> None:
    asked, theta = axes(1.0, -2.0), torch.tensor([1.0, 0.1]).double()
    gone(Newton(shift=0.5), asked, theta, 1)
    # The first shift that helps is 2.5: d = -(1 / 3.5, -0.2 / 0.5).
    torch.testing.assert_close(theta, torch.tensor([1 - 1 / 3.5, 0.5]).double(), rtol=0, atol=1e-7)  # sqrt(eps) of it


@pytest.mark.parametrize("beta", ["fletcher_reeves", "polak_ribiere_plus", "hestenes_stiefel", "dai_yuan"])
def test_conjugate_gradient_ends_after_as_many_steps_as_there_are_dimensions(beta: str) -> None:
    asked, theta = paraboloid(6), torch.zeros(6).double()
    exact = ConjugateGradient(beta=beta, restart="never", c1=1e-12, c2=1e-8)  # type: ignore[arg-type]
    gone(exact, asked, theta, 5)
    far = (theta - asked.minimum).norm() / asked.minimum.norm()
    theta.zero_()
    gone(exact, asked, theta, 6)
    near = (theta - asked.minimum).norm() / asked.minimum.norm()
    assert far > 1e-4
    assert near < 1e-7  # lengths are exact to 1e-8 of the slope, and errors grow with the condition


@pytest.mark.parametrize(
    ("beta", "expected"),
    [("fletcher_reeves", 5 / 4), ("polak_ribiere_plus", 3 / 4), ("hestenes_stiefel", 3 / 5), ("dai_yuan", 5 / 5)],
)
def test_each_beta_is_its_quotient(beta: str, expected: float) -> None:
    g, before, d = torch.tensor([[1.0, 2.0], [2.0, 0.0], [-3.0, 1.0]]).double()
    # y = (-1, 2): g.g = 5, before.before = 4, g.y = 3, d.y = 5
    assert ConjugateGradient(beta=beta).share(g, before, d) == expected  # type: ignore[arg-type]


def test_a_negative_beta_of_polak_and_ribiere_is_0() -> None:
    g, before, d = torch.tensor([[1.0], [2.0], [-1.0]]).double()
    assert ConjugateGradient().share(g, before, d) == 0.0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ConjugateGradient(beta="fletcher_reeves", restart="every_n"), [0, 1, 2, 0, 1, 2]),
        (ConjugateGradient(beta="fletcher_reeves", restart="never"), [0, 1, 2, 3, 4, 5]),
        (ConjugateGradient(beta="fletcher_reeves", restart="powell", nu=1e3), [0, 1, 2, 3, 4, 5]),
        (ConjugateGradient(beta="fletcher_reeves", restart="powell", nu=1e-9), [0, 0, 0, 0, 0, 0]),
    ],
    ids=lambda one: getattr(one, "label", ""),
)
def test_conjugate_gradient_starts_again_by_its_rule(rule: ConjugateGradient, expected: list[int]) -> None:
    bowl, theta = paraboloid(3), torch.zeros(3).double()
    asked = Quartic(bowl.A, bowl.b)
    state, since = rule.start(theta, flat(3)), []
    for t in range(1, 7):
        rule.step(theta, state, asked, 1.0, t)
        since.append(state["since"])
    assert since == expected


@pytest.mark.parametrize("eta", [0.5, 1e-2, 1e-6])
def test_newton_cg_leaves_at_most_its_part_of_the_gradient_of_a_quadratic(eta: float) -> None:
    asked, theta = paraboloid(6), torch.zeros(6).double()
    gone(NewtonCG(eta=eta), asked, theta, 1)
    left = asked.value_and_grad(theta)[1].norm() / asked.b.norm()
    assert 0 < left <= eta
    assert eta < 0.5 or left > 1e-2  # it stops as soon as it may


@pytest.mark.parametrize("k", CONDITIONS)
def test_the_exact_step_leaves_what_kantorovich_allows_from_the_worst_start(k: float) -> None:
    asked, theta = axes(1.0, k), torch.tensor([k, 1.0]).double()
    before = asked.value(theta)
    gone(ExactStep(), asked, theta, 1)
    assert asked.value(theta) / before == pytest.approx(((k - 1) / (k + 1)) ** 2, rel=1e-10)
    gone(ExactStep(), asked, theta, 9)
    assert asked.value(theta) / before == pytest.approx(((k - 1) / (k + 1)) ** 20, rel=1e-9)


@pytest.mark.parametrize("curvature", [0.5, 1.9, 2.1, 30.0])
@pytest.mark.parametrize("c1", [1e-4, 0.3])
def test_backtracking_takes_the_first_length_below_its_bound(curvature: float, c1: float) -> None:
    theta = torch.ones(1).double()
    gone(Backtracking(c1=c1), axes(curvature), theta, 1)
    alpha = (1 - theta.item()) / curvature
    first = next(0.5**j for j in range(30) if 0.5**j <= 2 * (1 - c1) / curvature)
    assert alpha == pytest.approx(first, rel=1e-12)


def test_an_exact_length_is_found_by_a_search_that_wants_the_slope_gone() -> None:
    one, other = torch.tensor([9.0, 1.0]).double(), torch.tensor([9.0, 1.0]).double()
    gone(StrongWolfe(c1=1e-12, c2=1e-8), axes(1.0, 9.0), one, 5)
    gone(ExactStep(), axes(1.0, 9.0), other, 5)
    torch.testing.assert_close(one, other, rtol=1e-6, atol=0)


def test_bfgs_knows_the_inverse_hessian_after_as_many_exact_steps_as_there_are_dimensions() -> None:
    asked, theta = paraboloid(5, 20.0), torch.zeros(5).double()
    state = gone(BFGS(c1=1e-12, c2=1e-9), asked, theta, 5)
    torch.testing.assert_close(state["H"], torch.linalg.inv(asked.A), rtol=0, atol=1e-6)  # lengths are exact to 1e-9


def test_the_update_of_bfgs_is_the_product_of_its_definition() -> None:
    numbers = torch.Generator().manual_seed(1)
    s, y = (torch.randn(2, 4, generator=numbers, dtype=torch.float64)).unbind()
    H = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0]).double())
    rho, one = 1 / (s @ y), torch.eye(4).double()
    V = one - rho * torch.outer(y, s)
    expected = V.T @ H @ V + rho * torch.outer(s, s)
    update_(H, s, y)
    torch.testing.assert_close(H, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(H @ y, s, rtol=1e-10, atol=1e-12)


def test_lbfgs_keeps_the_newest_pairs_only() -> None:
    asked, theta = paraboloid(8), torch.zeros(8).double()
    state = gone(LBFGS(memory=3), asked, theta, 5)
    assert state["s"].shape == state["y"].shape == (3, 8)
    torch.testing.assert_close(state["y"], state["s"] @ asked.A, rtol=1e-8, atol=1e-12)


def test_lbfgs_that_forgets_nothing_is_dense_bfgs_over_a_whole_run() -> None:
    bowl = paraboloid(8)
    asked, steps, rule = Quartic(bowl.A, bowl.b), 20, LBFGS(memory=100)
    theta, other = torch.zeros(8).double(), torch.zeros(8).double()
    state, pairs, H = rule.start(theta, flat(8)), [], torch.eye(8).double()
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, 1.0, t)
        line = Line(asked, other, -H @ asked.value_and_grad(other)[1], *asked.value_and_grad(other))
        alpha = line.searched(1.0 if pairs else first_length(line.g), rule.c1, rule.c2)
        pairs.append(line.pair(alpha))
        # the scale of the newest pair, then the update of each, the oldest first
        s, y = pairs[-1]
        H = torch.eye(8).double() * (s @ y) / (y @ y)
        for s, y in pairs:
            update_(H, s, y)
        # 1e-16 of the inner products, which the search and the products with H carry on, some tenfold a step
        torch.testing.assert_close(theta, other, rtol=0, atol=1e-10)
    assert len(state["s"]) == steps
    assert asked.value_and_grad(theta)[1].norm() < 1e-3 * bowl.b.norm()


def test_coordinates_one_after_the_other_are_the_iterates_of_gauss_and_seidel() -> None:
    asked, theta = paraboloid(5), torch.zeros(5).double()
    expected = torch.zeros(5).double()
    lower, upper = torch.tril(asked.A), torch.triu(asked.A, 1)
    for _ in range(3):
        gone(CoordinateDescent(blocks="coordinates"), asked, theta, 1)
        expected = torch.linalg.solve(lower, asked.b - upper @ expected)
        torch.testing.assert_close(theta, expected, rtol=1e-10, atol=1e-14)


def test_layers_are_the_tensors_of_one_module_and_each_goes_to_its_minimum() -> None:
    layout = Layout(tuple(Slot(n, (2,), 2 * i, 2) for i, n in enumerate(["a.weight", "a.bias", "b.weight"])))
    asked, theta = paraboloid(6), torch.zeros(6).double()
    rule = CoordinateDescent(limit=50)
    assert rule.start(theta, layout)["bounds"] == [0, 4, 6]
    gone(rule, asked, theta, 1, layout=layout)
    _, g = asked.value_and_grad(theta)
    assert g[4:].norm() < 0.02 * g[:4].norm()  # to the residual 0.01 of conjugate gradient; the first has moved on


def test_a_random_order_visits_every_block_once_and_differs_from_step_to_step() -> None:
    rule, theta = CoordinateDescent(blocks="coordinates", order="random"), torch.zeros(20)
    state = rule.start(theta, flat(20))
    first, second = (list(rule.visited(state, t)) for t in (1, 2))
    assert first != second
    assert sorted(first) == sorted(second) == [(i, i + 1) for i in range(20)]


@pytest.mark.parametrize("method", ["cauchy", "dogleg", "steihaug"])
def test_the_radius_grows_on_the_boundary_of_a_model_that_is_right(method: str) -> None:
    asked, theta = axes(1.0, 2.0), torch.tensor([10.0, 10.0]).double()
    rule = TrustRegion(method=method, largest=3.0)  # type: ignore[arg-type]
    state, radii = rule.start(theta, flat(2)), []
    for t in range(1, 4):
        before = theta.clone()
        rule.step(theta, state, asked, 1.0, t)
        radii.append(((theta - before).norm().item(), state["D"]))
    assert radii == [pytest.approx(pair, rel=1e-12) for pair in ((1.0, 2.0), (2.0, 3.0), (3.0, 3.0))]


def test_a_step_that_goes_up_is_refused_and_the_radius_shrinks() -> None:
    class Wall(Paraboloid):
        def value(self, theta: Tensor) -> float:
            return math.inf if theta[0] < 0.9 else super().value(theta)

    asked, theta = Wall(torch.eye(1).double(), torch.zeros(1).double()), torch.ones(1).double()
    state = gone(TrustRegion(), asked, theta, 2)
    assert (theta.item(), state["D"]) == (1.0, 1 / 16)
    state = gone(LevenbergMarquardt(), asked, theta, 2)
    assert (theta.item(), state["mu"], state["nu"]) == (1.0, 8e-3, 8.0)


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_levenberg_marquardt_is_newton_on_a_quadratic_but_for_its_damping(solver: str) -> None:
    asked, theta = axes(2.0, 2.0), torch.tensor([1.0, -1.0]).double()
    state = gone(LevenbergMarquardt(solver=solver, mu=0.01), asked, theta, 1)  # type: ignore[arg-type]
    # D = 2 I in both, so 1/1.01 of the way; the model is exact, rho = 1, and mu falls to a third.
    torch.testing.assert_close(theta, torch.tensor([1.0, -1.0]).double() * (1 - 1 / 1.01), rtol=1e-10, atol=0)
    assert state["mu"] == pytest.approx(0.01 / 3)


def test_newton_cg_takes_the_gradient_where_it_shows_negative_curvature_at_once() -> None:
    asked, theta = axes(-1.0, 1.0), torch.tensor([1.0, 0.5]).double()
    gone(NewtonCG(), asked, theta, 1)
    assert theta.tolist() == [2.0, 0.0]


@dataclass
class Cliff(Paraboloid):
    """Beyond 1.5 there is no loss."""

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        if theta[0].abs() > 1.5:
            raise Diverged(math.nan, math.nan)
        return super().value_and_grad(theta)


def test_a_trial_without_a_finite_loss_is_too_long_and_no_divergence() -> None:
    asked, theta = Cliff(torch.eye(1).double(), torch.zeros(1).double()), torch.ones(1).double()
    gone(StrongWolfe(), asked, theta, 1, lr=100.0)
    assert abs(theta.item()) < 1


RULES: list[OneFunction] = [
    Backtracking(), StrongWolfe(), ExactStep(), ConjugateGradient(), LBFGS(), BFGS(), Newton(), NewtonCG(),
    TrustRegion(), LevenbergMarquardt(), CoordinateDescent(),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.label)
def test_mini_batches_are_remarked_on_and_all_examples_are_not(rule: OneFunction) -> None:
    assert rule.remarks(1000, 1000) == ()
    assert rule.remarks(100, 1000) == (
        f"{rule.label} takes the loss for one function of theta, and on mini-batches of 100 of 1000 examples it is "
        "another in every step: what suits one need not suit the next; give batch_size=all",
    )


@pytest.mark.parametrize("kind", [StrongWolfe, ConjugateGradient, LBFGS, BFGS])
def test_the_constants_of_wolfe_have_an_order(kind: type[StrongWolfe]) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(c1=0.5, c2=0.5)
    assert str(caught.value) == (
        "c2=0.5 is refused\n"
        "  allowed: a number above c1=0.5, since else there may be no length that meets both conditions\n"
        "  do this: give a larger c2, or a smaller c1: the defaults go together"
    )
