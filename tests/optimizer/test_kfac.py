"""K-FAC: where it is exact, and against its definition."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.loss.base import Loss
from runner.loss.cross_entropy import CrossEntropy
from runner.loss.mse import MSE
from runner.optimizer.kfac import KFAC, adapted, least
from runner.run import own_slopes
from tests.optimizer.problems import Quadratic, flat, layer_of, trained

NUMBERS = torch.Generator().manual_seed(0)
X = torch.randn(40, 3, generator=NUMBERS, dtype=torch.float64) @ torch.tensor(
    [[3.0, 1.0, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 1.0]], dtype=torch.float64
)
NUMBERS_OF = torch.randn(40, generator=NUMBERS, dtype=torch.float64)
CLASSES = torch.randint(4, (40,), generator=NUMBERS)
PLAIN = KFAC(lam=0.0, kl_clip=1e30)  # neither damped nor clipped


def asked_of(module: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> Curved:
    made = Curved(module, loss.value, *adopt(module), summed=loss.summed, own_slopes=partial(own_slopes, loss, 0))
    made.on(x, y)
    return made


def stepped(rule: KFAC, asked: Curved, steps: int = 1, lr: float = 1.0) -> dict[str, Any]:
    state = rule.start(asked.theta, asked.layout)
    for t in range(1, steps + 1):
        rule.step(asked.theta, state, asked, lr, t)
    return state


class Exact(MSE):
    """Slopes of its own whose mean square is the Hessian 2 to the last digit: as many up as down."""

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        signs = torch.ones_like(output)
        signs[::2] = -1
        return 2**0.5 * signs


# Solved by normal equations with condition number about 100: some 1e-14.
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_of_one_linear_layer_a_step_is_least_squares(reduction: Any) -> None:
    torch.manual_seed(0)
    asked = asked_of(nn.Linear(3, 1).double(), X, NUMBERS_OF, Exact(reduction=reduction))
    stepped(PLAIN, asked)
    with_one = torch.cat([X, torch.ones(40, 1).double()], 1)
    expected = torch.linalg.lstsq(with_one, NUMBERS_OF.unsqueeze(1)).solution.flatten()
    torch.testing.assert_close(asked.theta, expected, rtol=1e-12, atol=1e-12)


# The map has condition number about 10, which the inverses of the squares square.
@pytest.mark.parametrize("fisher", ["true", "empirical"])
def test_undamped_it_does_not_see_an_affine_map_of_the_inputs(fisher: Any) -> None:
    map = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.5, 0.3], [1.0, 0.0, 1.0]], dtype=torch.float64)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    rule = KFAC(lam=0.0, kl_clip=1e30, fisher=fisher, inverse_every=1)

    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()

    one, other = network(), network()
    with torch.no_grad():  # W x + b = (W M^-1) (M x + s) + (b - W M^-1 s)
        inner = one[0].weight @ map.inverse()
        other[0].weight.copy_(inner)
        other[0].bias.copy_(one[0].bias - inner @ shift)
    first = asked_of(one, X, CLASSES, CrossEntropy())
    second = asked_of(other, X @ map.T + shift, CLASSES, CrossEntropy())
    for asked in (first, second):
        stepped(rule, asked, steps=5, lr=0.1)
    torch.testing.assert_close(one(X), other(X @ map.T + shift), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one[2].weight, other[2].weight, rtol=1e-9, atol=1e-9)


def test_factors_are_running_means_of_those_of_the_mini_batches() -> None:
    torch.manual_seed(0)
    asked = asked_of(nn.Linear(3, 4).double(), X, CLASSES, CrossEntropy())
    rule = KFAC(fisher="empirical", decay=0.6)
    expected: tuple[Tensor, Tensor] | None = None
    state = rule.start(asked.theta, asked.layout)
    for k in range(1, 6):
        (layer,) = asked.layers(asked.theta, "data", k).layers
        e = min(1 - 1 / k, 0.6)
        new = layer.factors()
        expected = new if expected is None else tuple(e * a + (1 - e) * b for a, b in zip(expected, new, strict=True))
        rule.step(asked.theta, state, asked, 0.1, k)
        (block,) = state["blocks"]
        for found, factor in zip((block["A"], block["G"]), expected, strict=True):
            torch.testing.assert_close(found, factor, rtol=1e-13, atol=1e-16)


def test_a_step_is_longer_than_the_clip_allows_nowhere() -> None:
    torch.manual_seed(0)
    asked = asked_of(nn.Linear(3, 4).double(), X, CLASSES, CrossEntropy())
    g = asked.value_and_grad(asked.theta)[1].clone()
    before = asked.theta.clone()
    stepped(KFAC(kl_clip=1e-6), asked)
    clipped = before - asked.theta
    asked.theta.copy_(before)
    stepped(KFAC(kl_clip=1e30), asked)
    whole = before - asked.theta
    # nu D.V nu = kl_clip
    torch.testing.assert_close(clipped, whole * (1e-6 / (whole @ g)).sqrt(), rtol=1e-12, atol=1e-16)


QUADRATIC = Quadratic(torch.tensor([1.0, 4.0, 0.5]).double(), torch.tensor([1.0, -2.0, 3.0]).double())


def test_the_step_of_the_paper_has_the_least_model_value_along_both_directions() -> None:
    numbers = torch.Generator().manual_seed(1)
    D, before, g = torch.randn(3, 3, generator=numbers, dtype=torch.float64)
    F_, lam = QUADRATIC.h.diag(), 0.7

    def model(delta: Tensor) -> Tensor:
        return g @ delta + delta @ (F_ + lam * torch.eye(3).double()) @ delta / 2

    found = least(D, before, F_ @ D, F_ @ before, g, lam)
    assert found.damped == pytest.approx(model(found.delta).item(), rel=1e-12, abs=0)
    assert found.change(0.5) == pytest.approx(
        (g @ found.delta / 2 + found.delta @ F_ @ found.delta / 8).item(), rel=1e-12
    )
    for direction in (D, before):
        for sign in (1e-3, -1e-3):
            assert model(found.delta + sign * direction) > found.damped


def test_before_the_first_step_there_is_one_direction() -> None:
    g = torch.tensor([1.0, 0.0, 0.0]).double()
    zero = torch.zeros(3).double()
    found = least(g, zero, QUADRATIC.h * g, zero, g, 1.0)
    torch.testing.assert_close(found.delta, -g / 2, rtol=1e-12, atol=0)  # 1 / (h + lambda)
    assert least(zero, zero, zero, zero, zero, 1.0).delta.count_nonzero() == 0


@pytest.mark.parametrize(
    ("rho", "expected"), [(1.0, 0.95**5), (0.76, 0.95**5), (0.75, 1.0), (0.25, 1.0), (0.2, 0.95**-5), (-1.0, 0.95**-5)]
)
def test_lambda_falls_where_the_model_was_right_and_grows_where_it_was_wrong(rho: float, expected: float) -> None:
    assert adapted(3.0, rho) == pytest.approx(3.0 * expected, rel=1e-14, abs=0)


def test_a_loss_that_is_no_number_makes_lambda_grow() -> None:
    assert adapted(3.0, float("nan")) == pytest.approx(3.0 * 0.95**-5, rel=1e-14, abs=0)


def test_on_a_quadratic_the_rule_of_the_paper_learns_to_trust_its_model() -> None:
    rule = KFAC(damping="paper", lam=10.0)
    theta = torch.zeros(3).double()
    state = rule.start(theta, flat(3))
    for t in range(1, 31):
        rule.step(theta, state, QUADRATIC, 1.0, t)
    assert state["lam"] == pytest.approx(10 * 0.95**30, rel=1e-12, abs=0)  # six times right


def test_gamma_is_searched_every_twenty_steps() -> None:
    rule = KFAC(damping="paper", lam=10.0)
    theta = torch.zeros(60).double()
    far = Quadratic(torch.linspace(0.01, 4, 60).double(), torch.linspace(10, 100, 60).double())  # not there in 40 steps
    state = rule.start(theta, flat(60))
    gammas = []
    for t in range(1, 82):
        rule.step(theta, state, far, 1.0, t)
        gammas.append(state["gamma"])
    assert gammas[:19] == [10**0.5] * 19
    assert [len(set(gammas[first : first + 20])) for first in (19, 39, 59)] == [1, 1, 1]
    # lambda falls to 10 * 0.95^80 = 0.17, and gamma follows it
    assert gammas[79] in (pytest.approx(10**0.5 * 0.95**power, rel=1e-14, abs=0) for power in (10, 20, 30))


def test_lambda_of_the_paper_starts_high() -> None:
    assert KFAC().first_lam == 0.03
    assert KFAC(damping="paper").first_lam == 150.0
    assert KFAC(damping="paper", lam=2.0).first_lam == 2.0


def test_lambda_changes_the_result() -> None:
    one, other = (trained(KFAC(lam=lam), lambda t: 0.01, 3) for lam in (0.03, 0.3))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("damping", ["simple", "paper"])
def test_what_it_needs_goes_by_its_rule(damping: Any) -> None:
    products = ("gauss_newton",) if damping == "paper" else ()
    assert KFAC(damping=damping).needs == ("layers", "own_slopes", *products)
    assert KFAC(damping=damping, fisher="empirical").needs == ("layers", *products)


def test_the_rule_of_the_paper_is_told() -> None:
    assert KFAC(damping="paper", lam=2.0).rule(0.5) == (
        "every 1 steps, targets of the model: A, G <- e A + (1 - e) E[a a'], e G + (1 - e) E[g g'], "
        "e = min(1 - 1/k, 0.95);  every 10 steps inverses with gamma;  D = (G + gamma/pi I)^-1 V (A + pi gamma I)^-1, "
        "lam = 2.0 and gamma = sqrt(lam) at first, adapted every 5 and 20 steps;  theta <- theta + 0.5 delta, "
        "delta = -alpha D + mu delta with the least V.delta + delta.(F + lam I) delta/2"
    )


def test_the_layer_of_the_quadratic_of_the_exam_has_its_curvature() -> None:
    a, g = layer_of(QUADRATIC.h).factors()
    assert a.tolist() == [[1.0]]
    torch.testing.assert_close(g, QUADRATIC.h.diag(), rtol=1e-14, atol=0)
