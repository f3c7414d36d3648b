"""The rules for one function beside scipy and scikit-learn: the same minimum, and for one the same iterates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.products import Operator
from runner.core.theta import adopt
from runner.optimizer.backtracking import Backtracking
from runner.optimizer.base import Asked, Optimizer
from runner.optimizer.bfgs import BFGS
from runner.optimizer.conjugate_gradient import ConjugateGradient
from runner.optimizer.coordinate_descent import CoordinateDescent
from runner.optimizer.lbfgs import LBFGS
from runner.optimizer.levenberg_marquardt import LevenbergMarquardt
from runner.optimizer.newton import Newton
from runner.optimizer.newton_cg import NewtonCG
from runner.optimizer.trust_region import TrustRegion
from runner.regularizer.l2 import L2
from tests.optimizer.logistic import Logistic
from tests.optimizer.problems import flat

START = np.array([-1.2, 1.0, -0.5, 0.8])


@dataclass
class Rosenbrock(Asked):
    """scipy's function of n variables, with its gradient and its Hessian."""

    def value(self, theta: Tensor) -> float:
        return float(rosen(theta.numpy()))

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.value(theta), torch.from_numpy(rosen_der(theta.numpy()))

    def hessian(self, theta: Tensor) -> Operator:
        H = torch.from_numpy(rosen_hess(theta.numpy()))
        return lambda v: v @ H  # which is symmetric


def path(rule: Optimizer, asked: Asked, theta: Tensor, steps: int) -> list[Tensor]:
    """The iterates, from rate 1."""
    state, found = rule.start(theta, flat(len(theta))), []
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, 1.0, t)
        found.append(theta.clone())
    return found


TWINS: dict[str, tuple[Optimizer, int]] = {
    "trust-ncg": (TrustRegion(), 60),
    "dogleg": (TrustRegion(method="dogleg"), 60),
    "Newton-CG": (NewtonCG(), 60),
    "trust-exact": (Newton(), 60),
    "CG": (ConjugateGradient(), 150),
    "BFGS": (BFGS(), 80),
    "L-BFGS-B": (LBFGS(), 80),
}


@pytest.mark.parametrize("name", TWINS)
def test_the_minimum_of_rosenbrocks_function_is_the_one_of_the_method_in_scipy(name: str) -> None:
    rule, steps = TWINS[name]
    options: dict[str, Any] = {"hess": rosen_hess} if name in ("trust-ncg", "Newton-CG", "trust-exact") else {}
    start = START if name != "dogleg" else np.array([1.1, 1.2, 1.4, 1.9])  # scipy's wants a positive definite Hessian
    options = options | ({"hess": rosen_hess} if name == "dogleg" else {})
    theirs = minimize(rosen, start, jac=rosen_der, method=name, tol=1e-9, **options)
    ours = path(rule, Rosenbrock(), torch.from_numpy(start.copy()), steps)[-1]
    # Both stop where the slope is about 1e-9 or values are rounded; curvatures are above 0.1.
    np.testing.assert_allclose(ours.numpy(), theirs.x, rtol=0, atol=1e-6)


def test_the_steps_in_a_ball_are_those_of_scipy() -> None:
    theirs: list[np.ndarray] = []
    minimize(
        rosen, START, jac=rosen_der, hess=rosen_hess, method="trust-ncg",
        callback=lambda x: theirs.append(x.copy()), options={"gtol": 1e-8},
    )  # fmt: skip
    ours = path(TrustRegion(), Rosenbrock(), torch.from_numpy(START.copy()), len(theirs))
    assert len(theirs) > 10
    # The same sums in another order: 1e-16, which each step of a curved valley multiplies by a few.
    np.testing.assert_allclose(torch.stack(ours).numpy(), np.stack(theirs), rtol=0, atol=1e-7)


def cancer() -> tuple[Tensor, Tensor]:
    """Breast cancer in standard units."""
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    return torch.from_numpy(x), torch.from_numpy(y)


LOGISTIC: list[tuple[Optimizer, int]] = [
    (LBFGS(), 120),
    (NewtonCG(), 15),
    (NewtonCG(curvature="gauss_newton"), 15),
    (TrustRegion(), 25),
    (Newton(), 10),
    (BFGS(), 120),
    (ConjugateGradient(), 250),
    (LevenbergMarquardt(solver="cholesky"), 25),
]


@pytest.mark.parametrize(("rule", "steps"), LOGISTIC, ids=lambda one: getattr(one, "label", str(one)))
def test_logistic_regression_ends_where_scikit_learn_does(rule: Optimizer, steps: int) -> None:
    x, y = cancer()
    strength = 0.01
    fit = LogisticRegression(
        C=1 / (strength * len(y)), fit_intercept=False, solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(x.numpy(), y.numpy())
    asked = Logistic(x, y, strength).asked()
    path(rule, asked, asked.theta, steps)
    # A loss is known to 1e-16, so a search by its values leaves theta within sqrt(1e-16 / strength) = 1e-7.
    np.testing.assert_allclose(asked.theta.numpy(), fit.coef_[0], rtol=0, atol=1e-7)
    best = Logistic(x, y, strength).asked()
    assert asked.value(asked.theta) == pytest.approx(best.value(torch.from_numpy(fit.coef_[0])), rel=1e-12)


def linear(strength: float = 0.0) -> Curved:
    """Half the mean squared error of a linear model with a bias on ten variables, at 0; ridge with a strength."""
    x, y = (torch.from_numpy(each) for each in load_diabetes(return_X_y=True, scaled=False))
    x = (x - x.mean(0)) / x.std(0)
    module = nn.Linear(10, 1).double()
    theta, layout = adopt(module)
    theta.zero_()
    asked = Curved(module, lambda z, y: (z - y).square().mean() / 2, theta, layout, penalty=L2(strength=strength))
    asked.on(x, (y / 100).unsqueeze(1))
    return asked


@pytest.mark.parametrize(
    ("rule", "steps"),
    [(Newton(), 2), (NewtonCG(), 12), (LBFGS(), 60), (Backtracking(), 1500)],
    ids=lambda one: getattr(one, "label", str(one)),
)
def test_ridge_regression_ends_where_scikit_learn_does(rule: Optimizer, steps: int) -> None:
    asked = linear(strength=0.1)
    fit = Ridge(alpha=0.1 * len(asked.y)).fit(asked.x.numpy(), asked.y.numpy()[:, 0])
    path(rule, asked, asked.theta, steps)
    # Values are known to 1e-16, so that a search by them ends within 1e-8 of the minimum, in units of sqrt(1 / 0.1).
    np.testing.assert_allclose(asked.theta.numpy(), [*fit.coef_, fit.intercept_], rtol=0, atol=5e-8)


@pytest.mark.parametrize(("blocks", "steps"), [("coordinates", 150), ("layers", 800)])
def test_the_lasso_ends_where_scikit_learn_does_with_the_same_zeros(blocks: Any, steps: int) -> None:
    asked = linear()
    fit = Lasso(alpha=0.05, tol=1e-14, max_iter=100_000).fit(asked.x.numpy(), asked.y.numpy()[:, 0])
    rule = CoordinateDescent(blocks=blocks, l1=0.05)
    state = rule.start(asked.theta, asked.layout)
    for t in range(1, steps + 1):
        rule.step(asked.theta, state, asked, 1.0, t)
    assert 3 <= (fit.coef_ == 0).sum() <= 7
    assert (asked.theta[:10] == 0).tolist() == (fit.coef_ == 0).tolist()
    np.testing.assert_allclose(asked.theta.numpy(), [*fit.coef_, fit.intercept_], rtol=0, atol=1e-8)
