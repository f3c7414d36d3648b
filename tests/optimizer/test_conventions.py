"""One method, several conventions: which give the same iterates, and how far the others part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.optimizer.adagrad import Adagrad
from runner.optimizer.adam import Adam
from runner.optimizer.amsgrad import AMSGrad
from runner.optimizer.base import Asked, Optimizer
from runner.optimizer.heavy_ball import HeavyBall
from runner.optimizer.momentum import Momentum
from runner.optimizer.momentum_ema import MomentumEMA
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.rmsprop import RMSprop
from runner.optimizer.sgd import SGD
from tests.optimizer.problems import Given, Quadratic, Rates, apart, flat, quadratic, trained, trained_by_hand

STAIRCASE: Rates = lambda t: 0.1 * 0.9 ** ((t - 1) // 5)  # noqa: E731
CONSTANT: Rates = lambda t: 0.1  # noqa: E731
SAME = 1e-12  # of the length, over 100 steps with a handful of roundings of 1e-16 each


def path(rule: Optimizer, rates: Rates, steps: int = 100, asked: Any = None) -> Tensor:
    """The iterates theta_1, theta_2, ... `[steps, P]` from 0 on the quadratic, or on another objective."""
    asked = asked or quadratic()
    theta = torch.zeros(5, dtype=torch.float64)
    state = rule.start(theta, flat(5))
    found = []
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, rates(t), t)
        found.append(theta.clone())
    return torch.stack(found)


def polyak(rates: Rates, mu: float) -> Tensor:
    """theta_t+1 = theta_t - lr g + mu (theta_t - theta_t-1), as Sun p. 25 prints it."""
    asked, before, theta = quadratic(), torch.zeros(5).double(), torch.zeros(5).double()
    found = []
    for t in range(1, 101):
        _, g = asked.value_and_grad(theta)
        before, theta = theta, theta - rates(t) * g + mu * (theta - before)
        found.append(theta)
    return torch.stack(found)


@pytest.mark.parametrize("rates", [CONSTANT, STAIRCASE])
def test_grosses_two_lines_are_polyaks_one_under_any_schedule(rates: Rates) -> None:
    assert apart(path(HeavyBall(mu=0.9), rates), polyak(rates, 0.9)) < SAME


def test_with_lr_inside_the_velocity_momentum_is_that_of_torch_under_a_constant_rate() -> None:
    assert apart(path(HeavyBall(mu=0.9), CONSTANT), path(Momentum(mu=0.9), CONSTANT)) < SAME


def test_with_lr_inside_the_velocity_momentum_is_another_under_a_schedule() -> None:
    # The velocity of the first stair, made with lr 0.1, goes on at 0.09 in one and at 0.1 in the other.
    # In a plane with g = 1 and mu = 0.9: v_5 = 4.0951; step 6 is 0.09 (0.9 v_5 + 1) or 0.09 + 0.1 * 0.9 v_5.
    inside, outside = (path(rule(mu=0.9), STAIRCASE, 6, PLANE)[:, 0] for rule in (HeavyBall, Momentum))
    v = (1 - 0.9**5) / 0.1
    assert inside[:5].tolist() == pytest.approx(outside[:5].tolist(), rel=1e-14)
    assert (outside[5] - outside[4]).item() == pytest.approx(-0.09 * (0.9 * v + 1), rel=1e-13)
    assert (inside[5] - inside[4]).item() == pytest.approx(-0.09 - 0.1 * 0.9 * v, rel=1e-13)
    assert apart(path(HeavyBall(mu=0.9), STAIRCASE), path(Momentum(mu=0.9), STAIRCASE)) > 0.01


class Plane(Asked):
    """L = sum theta: its gradient is 1 everywhere."""

    def value(self, theta: Tensor) -> float:
        return theta.sum().item()

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.value(theta), torch.ones_like(theta)


PLANE = Plane()


# Grosse: a step on a plane tends to -lr/(1 - mu) g; an average of gradients to -lr g. 0.9^400 = 5e-19.
@pytest.mark.parametrize(
    ("rule", "last"), [(HeavyBall(mu=0.9), -1.0), (Momentum(mu=0.9), -1.0), (MomentumEMA(mu=0.9), -0.1)], ids=repr
)
def test_the_terminal_velocity_on_a_plane(rule: Optimizer, last: float) -> None:
    points = path(rule, CONSTANT, 400, PLANE)
    assert (points[-1] - points[-2]).tolist() == pytest.approx([last] * 5, rel=1e-11)  # differences of 400, bits 6e-14


def test_a_larger_mu_slows_the_puck_less() -> None:
    # "The strength of friction is proportional to rho" would have it the other way round: friction is 1 - mu. After one
    # push the puck coasts 1/(1 - mu) times as far as the push.
    for mu in (0.5, 0.9, 0.99):
        push = Given(iter([torch.ones(5).double(), *repeat(torch.zeros(5).double(), 4999)]))
        assert path(HeavyBall(mu=mu), CONSTANT, 5000, push)[-1, 0].item() == pytest.approx(-0.1 / (1 - mu), rel=1e-12)


def test_without_friction_it_would_never_settle_so_mu_is_below_1() -> None:
    with pytest.raises(ConfigError, match=r"mu=1.0 is refused\n  allowed: a number in \[0, 1\)"):
        HeavyBall(mu=1.0)
    # On L = h theta^2 / 2 the roots of z^2 - (1 + mu - lr h) z + mu have size sqrt(mu), so the swing shrinks by
    # sqrt(mu) a step: with mu = 1 - 1e-9, by 5e-7 over a thousand steps.
    asked = Quadratic(torch.ones(5).double(), torch.ones(5).double())
    swings = path(HeavyBall(mu=1 - 1e-9), CONSTANT, 2000, asked)[:, 0] - 1
    early, late = swings[:500].abs().max().item(), swings[1500:].abs().max().item()
    assert late == pytest.approx(early, rel=1e-3)  # the swing is sampled at 20 points of a period
    assert path(HeavyBall(mu=0.9), CONSTANT, 2000, asked)[-1, 0].item() == pytest.approx(1.0, rel=1e-12)


def test_the_weights_of_the_average_add_up_to_1_minus_mu_to_the_n() -> None:
    # Farrahi p. 12: 0.1, 0.09, 0.081, ... for mu = 0.9. Gradient number i is unit vector i, so v holds the weights.
    rule, theta = MomentumEMA(mu=0.9), torch.zeros(20, dtype=torch.float64)
    state = rule.start(theta, flat(20))
    asked = Given(iter(torch.eye(20, dtype=torch.float64)))
    for t in range(1, 21):
        rule.step(theta, state, asked, 0.1, t)
    newest_first = state["v"].flip(0)
    assert newest_first.tolist() == pytest.approx([0.1 * 0.9**k for k in range(20)], rel=1e-13)
    assert newest_first[:3].tolist() == pytest.approx([0.1, 0.09, 0.081], rel=1e-13)
    assert newest_first.sum().item() == pytest.approx(1 - 0.9**20, rel=1e-14)


@pytest.mark.parametrize("rates", [CONSTANT, STAIRCASE])
def test_the_average_of_gradients_is_torchs_momentum_with_1_minus_mu_times_the_rate(rates: Rates) -> None:
    assert apart(path(MomentumEMA(mu=0.9), rates), path(Momentum(mu=0.9), lambda t: 0.1 * rates(t))) < 1e-11
    by_hand = trained_by_hand(lambda p: torch.optim.SGD(p, momentum=0.9), lambda t: 0.1 * rates(t), 100)
    assert apart(trained(MomentumEMA(mu=0.9), rates, 100), by_hand) < 1e-11  # 1 - 0.9 is 0.1 to 3e-17 only


def test_the_average_of_gradients_is_not_torchs_dampening_which_leaves_the_first_gradient_whole() -> None:
    dampened = trained_by_hand(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.9), CONSTANT, 1)
    start = trained_by_hand(lambda p: torch.optim.SGD(p, lr=0.1), CONSTANT, 0)
    ours = trained(MomentumEMA(mu=0.9), CONSTANT, 1)
    torch.testing.assert_close(dampened - start, 10 * (ours - start), rtol=1e-12, atol=1e-15)


def nesterov(rates: Rates, mu: Callable[[int], float]) -> tuple[Tensor, Tensor]:
    """x_t and y_t of Sun p. 26, y = x + mu (x - x_prev), x+ = y - lr g(y), for 100 steps from 0."""
    asked, before, x = quadratic(), torch.zeros(5).double(), torch.zeros(5).double()
    xs, ys = [], []
    for t in range(1, 101):
        y = x + mu(t) * (x - before)
        before, x = x, y - rates(t) * asked.value_and_grad(y)[1]
        xs.append(x)
        ys.append(x + mu(t + 1) * (x - before))
    return torch.stack(xs), torch.stack(ys)


@pytest.mark.parametrize("rates", [CONSTANT, STAIRCASE])
def test_the_original_form_of_nesterov_is_that_of_the_lecture(rates: Rates) -> None:
    assert apart(path(NesterovOriginal(mu=0.9), rates), nesterov(rates, lambda t: 0.9)[0]) < SAME


def test_the_original_form_of_nesterov_with_a_growing_mu() -> None:
    found = path(NesterovOriginal(mu=0.999, growth="nesterov"), CONSTANT)
    assert apart(found, nesterov(CONSTANT, lambda t: (t - 1) / (t + 2))[0]) < SAME
    assert [NesterovOriginal(mu=0.5, growth="nesterov").mu_at(t) for t in (1, 2, 3, 4, 5)] == [0, 0.25, 0.4, 0.5, 0.5]


def test_torchs_nesterov_walks_through_the_look_ahead_points_of_the_original() -> None:
    xs, ys = nesterov(CONSTANT, lambda t: 0.9)
    found = path(Nesterov(mu=0.9), CONSTANT)
    assert apart(found, ys) < SAME
    assert apart(found, xs) > 0.01


def test_under_a_schedule_torchs_nesterov_leaves_the_look_ahead_points() -> None:
    assert apart(path(Nesterov(mu=0.9), STAIRCASE), nesterov(STAIRCASE, lambda t: 0.9)[1]) > 1e-3


class Counted(Asked):
    """A quadratic that notes where it was asked for gradients."""

    def __init__(self) -> None:
        self.asked_at: list[Tensor] = []

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        self.asked_at.append(theta.clone())
        return quadratic().value_and_grad(theta)


def test_the_original_form_asks_once_a_step_and_elsewhere_than_at_theta() -> None:
    seen = Counted()
    points = path(NesterovOriginal(mu=0.9), CONSTANT, 3, seen)
    assert len(seen.asked_at) == 3
    torch.testing.assert_close(seen.asked_at[2], points[1] + 0.9 * (points[1] - points[0]))


BETAS = [(0.9, 0.999), (0.0, 0.9), (0.5, 0.0)]


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("eps", [1e-8, 1e-3])
def test_adam_without_correction_is_torchs_with_a_rate_and_an_eps_for_every_step(
    betas: tuple[float, float], eps: float
) -> None:
    # m/(sqrt(s) + eps) = lr_t/lr m^/(sqrt(s^) + eps_t) with lr_t = lr (1 - beta1^t)/sqrt(1 - beta2^t) and
    # eps_t = eps/sqrt(1 - beta2^t)
    rule, asked = Adam(betas=betas, eps=eps, bias_correction="none"), quadratic()
    twin = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    live = torch.optim.Adam([twin], betas=betas)
    found = []
    for t in range(1, 101):
        c = math.sqrt(1 - betas[1] ** t)
        live.param_groups[0] |= {"lr": 0.01 * (1 - betas[0] ** t) / c, "eps": eps / c}
        twin.grad = asked.value_and_grad(twin.detach())[1]
        live.step()
        found.append(twin.detach().clone())
    assert apart(path(rule, lambda t: 0.01), torch.stack(found)) < SAME


def test_adam_with_beta1_0_is_rmsprop_only_without_correction() -> None:
    # Su and Grosse say that it is.
    rmsprop = trained_by_hand(lambda p: torch.optim.RMSprop(p, alpha=0.999), lambda t: 0.01, 100)
    uncorrected = Adam(betas=(0, 0.999), bias_correction="none")
    assert apart(trained(uncorrected, lambda t: 0.01, 100), rmsprop) < SAME
    assert apart(trained(Adam(betas=(0, 0.999)), lambda t: 0.01, 100), rmsprop) > 0.1
    call = uncorrected.equivalent_to(0.01)
    assert call == "torch.optim.RMSprop(lr=0.01, alpha=0.999, eps=1e-08)"
    assert Adam(bias_correction="none").equivalent_to(0.01) is None


def test_the_first_step_of_adam_without_correction_is_1_minus_beta1_over_the_root_of_1_minus_beta2() -> None:
    first = path(Adam(bias_correction="none", eps_placement="none"), CONSTANT, 1, PLANE)[0, 0].item()
    assert first == pytest.approx(-0.1 * 0.1 / math.sqrt(0.001), rel=1e-12)  # 3.16 times -0.1


PLACES: dict[str, Callable[[float, float, float], float]] = {  # of s, its correction c^2 = 1 - beta2^t, and eps
    "outside_corrected": lambda s, c2, eps: math.sqrt(s / c2) + eps,
    "outside": lambda s, c2, eps: (math.sqrt(s) + eps) / math.sqrt(c2),
    "inside": lambda s, c2, eps: math.sqrt(s / c2 + eps),
    "none": lambda s, c2, eps: math.sqrt(s / c2),
}


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_adam_divides_as_its_eps_placement_says(place: str, corrected: bool) -> None:
    # Scalars, straight from the definitions, for gradients 2, -1, 0.5.
    rule = Adam(
        betas=(0.5, 0.75),
        eps=0.1,
        bias_correction="both" if corrected else "none",
        eps_placement=place,  # type: ignore[arg-type]
    )
    m = s = x = 0.0
    for t, g in enumerate((2.0, -1.0, 0.5), start=1):
        m, s = 0.5 * m + 0.5 * g, 0.75 * s + 0.25 * g * g
        c1, c2 = (1 - 0.5**t, 1 - 0.75**t) if corrected else (1.0, 1.0)
        x -= 0.1 * (m / c1) / PLACES[place](s, c2, 0.1)
    asked = Given(iter(torch.tensor([2.0, -1.0, 0.5]).double().unsqueeze(1).expand(3, 5)))
    assert path(rule, CONSTANT, 3, asked)[-1].tolist() == pytest.approx([x] * 5, rel=1e-14)


@pytest.mark.parametrize("cls", [Adagrad, RMSprop])
@pytest.mark.parametrize(("place", "root"), [("outside", 1.1), ("inside", math.sqrt(1.1)), ("none", 1.0)])
def test_the_reach_of_the_root_can_be_chosen(cls: Any, place: str, root: float) -> None:
    # g = 1: s = 1 for Adagrad and for RMSprop with beta = 0, so the step is lr over the divisor
    given = {"beta": 0.0} if cls is RMSprop else {}
    rule = cls(eps=0.1, eps_placement=place, **given)
    assert path(rule, CONSTANT, 1, PLANE)[0].tolist() == pytest.approx([-0.1 / root] * 5, rel=1e-14)


def test_under_the_root_eps_counts_as_its_own_root_beside_it() -> None:
    # beta = 0, so s = g^2 and a step has the length lr |g|/divisor, for eps = 1e-8. At g = 1 the divisors are 1 + 1e-8
    # and sqrt(1 + 1e-8); at g = 1e-6 they are 1.01e-6 and sqrt(1e-12 + 1e-8), a hundred times g.
    steps = {
        place: path(
            RMSprop(beta=0.0, eps=1e-8, eps_placement=place),  # type: ignore[arg-type]
            lambda t: 1.0,
            1,
            Given(iter([torch.tensor([1.0, 1e-6, 0.0, 0.0, 0.0], dtype=torch.float64)])),
        )[0, :2].tolist()
        for place in ("outside", "inside")
    }
    assert steps["outside"] == pytest.approx([-1 / (1 + 1e-8), -1 / 1.01], rel=1e-12)
    assert steps["inside"] == pytest.approx([-((1 + 1e-8) ** -0.5), -((1 + 1e4) ** -0.5)], rel=1e-12)


@pytest.mark.parametrize(
    "rule",
    [RMSprop(eps_placement="none"), Adagrad(eps_placement="none"), Adam(eps_placement="none"),
     RMSprop(eps_placement="none", mu=0.9, centered=True)], ids=repr,
)  # fmt: skip
def test_without_eps_an_element_whose_gradients_were_all_0_stays(rule: Optimizer) -> None:
    # The lecture's formula without eps is 0/0 there.
    g = torch.tensor([0.0, 1.0, -2.0, 0.0, 1e-150], dtype=torch.float64)
    points = path(rule, CONSTANT, 5, Given(iter([g, g, -g, g, g])))
    assert points.isfinite().all()
    assert not points[:, [0, 3]].any()
    assert points[:, [1, 2]].all()


def test_adagrad_under_a_constant_gradient_steps_by_lr_over_the_root_of_t() -> None:
    points = path(Adagrad(eps_placement="none"), CONSTANT, 100, PLANE)[:, 0]
    steps = torch.diff(points, prepend=torch.zeros(1).double())
    assert steps.tolist() == pytest.approx([-0.1 / math.sqrt(t) for t in range(1, 101)], rel=1e-12)


def reddi(rule: Optimizer) -> float:
    """Where a rule ends on [-1, 1] when g = 3 in every third step and -1 else: 1/3 on average, so -1 is best."""

    def gradients() -> Iterator[Tensor]:
        for t in range(1, 30_001):
            yield torch.tensor([3.0 if t % 3 == 1 else -1.0], dtype=torch.float64)

    theta, asked = torch.zeros(1, dtype=torch.float64), Given(gradients())
    state = rule.start(theta, flat(1))
    for t in range(1, 30_001):
        rule.step(theta, state, asked, 0.5 / math.sqrt(t), t)
        theta.clamp_(-1, 1)
    return theta.item()


def test_adam_walks_the_wrong_way_on_a_line_where_amsgrad_and_sgd_do_not() -> None:
    # Reddi et al. 2018: beta1 = 0, beta2 = 1/(1 + C^2) with C = 3. The step after g = 3 is about lr * 3/sqrt(0.9 * 9),
    # and those after g = -1 are each -lr/sqrt(0.9 + ...): larger together.
    assert reddi(Adam(betas=(0.0, 0.1))) > 0.99
    assert reddi(AMSGrad(betas=(0.0, 0.1))) < -0.98
    assert reddi(SGD()) < -0.98
