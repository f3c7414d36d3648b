"""Line searches, against scipy's lengths and the conditions themselves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import line_search as scipy_line_search
from scipy.optimize import rosen, rosen_der
from scipy.optimize._linesearch import scalar_search_armijo

from runner.linalg import line_search
from runner.linalg.line_search import Length, Point, backtracking, cubic_minimizer, quadratic_minimizer, strong_wolfe

Phi = Callable[[float], tuple[float, float]]
C1 = 1e-4


def directions(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points of Rosenbrock's valley with directions of descent, from much too short to much too long."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        x = 1.5 * rng.normal(size=rng.integers(2, 6))
        found.append((x, -rosen_der(x) * 10 ** rng.uniform(-6, 0)))
    return found


def along(x: np.ndarray, d: np.ndarray) -> Phi:
    return lambda alpha: (float(rosen(x + alpha * d)), float(rosen_der(x + alpha * d) @ d))


def scipys(x: np.ndarray, d: np.ndarray, c2: float) -> float | None:
    """scipy's length, None where its ten trials were not enough."""
    with warnings.catch_warnings(action="ignore"):
        alpha, *_, slope = scipy_line_search(rosen, rosen_der, x, d, c1=C1, c2=c2)
    return None if slope is None else alpha


def scipy_inside(low: Point, high: Point, dropped: Point | None) -> float:
    """The trial with scipy's margins, which are negative where high < low."""
    width = high.alpha - low.alpha
    left, right = sorted((low.alpha, high.alpha))
    if (
        dropped is not None
        and left + 0.2 * width <= (cubic := cubic_minimizer(low, high, dropped)) <= right - 0.2 * width
    ):
        return cubic
    quadratic = quadratic_minimizer(low, high)
    return quadratic if left + 0.1 * width <= quadratic <= right - 0.1 * width else low.alpha + 0.5 * width


@pytest.mark.parametrize("c2", [0.9, 0.4, 0.1])
def test_with_scipys_margins_the_lengths_are_scipys(c2: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_search, "inside", scipy_inside)
    found = 0
    for x, d in directions(300):
        expected = scipys(x, d, c2)
        value, slope = along(x, d)(0.0)
        ours = strong_wolfe(along(x, d), value, slope, c1=C1, c2=c2, most=40)
        if expected is not None and ours.holds:
            # both interpolate from differences of values that agree to about six digits
            assert ours.alpha == pytest.approx(expected, rel=1e-8)
            found += 1
    assert found > 280


@pytest.mark.parametrize("c2", [0.9, 0.4, 0.1])
def test_where_no_enclosure_is_turned_round_the_lengths_are_scipys(c2: float, monkeypatch: pytest.MonkeyPatch) -> None:
    turned: list[bool] = []
    inside = line_search.inside
    monkeypatch.setattr(
        line_search, "inside", lambda low, high, last: turned.append(high < low) or inside(low, high, last)
    )
    compared = 0
    for x, d in directions(300):
        turned.clear()
        value, slope = along(x, d)(0.0)
        ours = strong_wolfe(along(x, d), value, slope, c1=C1, c2=c2, most=40)
        if not any(turned):
            expected = scipys(x, d, c2)
            if expected is not None:
                assert ours.alpha == pytest.approx(expected, rel=1e-8)
                compared += 1
    assert compared > 150


@pytest.mark.parametrize("c2", [0.9, 0.4, 0.1, 1e-3])
def test_the_length_has_both_conditions_and_was_tried_last(c2: float) -> None:
    for x, d in directions(300):
        value, slope = along(x, d)(0.0)
        tried: list[float] = []
        ours = strong_wolfe(
            lambda a, x=x, d=d, tried=tried: tried.append(a) or along(x, d)(a), value, slope, c1=C1, c2=c2, most=60
        )
        assert ours.holds
        assert ours.evaluations == len(tried)
        assert ours.alpha == tried[-1]
        there, slope_there = along(x, d)(ours.alpha)
        assert ours.value == there <= value + C1 * ours.alpha * slope
        assert abs(slope_there) <= -c2 * slope


def test_a_quadratic_is_minimized_by_one_interpolation() -> None:
    # 1 is too long: phi(1) = 64 > 9 + ...; the parabola through phi(0), phi'(0) and phi(1) is phi itself
    for least in [0.3, 0.11]:
        found = strong_wolfe(lambda a, m=least: ((a - m) ** 2, 2 * (a - m)), least**2, -2 * least, c2=0.01)
        assert found.alpha == pytest.approx(least, rel=1e-14)
        assert found.evaluations == 2


def test_too_short_lengths_are_doubled_up_to_alpha_max() -> None:
    tried: list[float] = []

    def phi(alpha: float) -> tuple[float, float]:
        tried.append(alpha)
        return -alpha, -1.0

    assert strong_wolfe(phi, 0.0, -1.0, alpha_max=5.0) == Length(5.0, -5.0, 4, holds=False)
    assert tried == [1.0, 2.0, 4.0, 5.0]
    assert strong_wolfe(phi, 0.0, -1.0, most=3) == Length(4.0, -4.0, 3, holds=False)
    assert strong_wolfe(phi, 0.0, -1.0, alpha=8.0, alpha_max=2.0) == Length(2.0, -2.0, 1, holds=False)


@pytest.mark.parametrize("wall", [math.inf, math.nan])
def test_a_value_that_is_not_finite_is_too_long(wall: float) -> None:
    def phi(alpha: float) -> tuple[float, float]:
        return (wall, math.nan) if alpha > 0.3 else ((alpha - 0.2) ** 2, 2 * (alpha - 0.2))

    found = strong_wolfe(phi, 0.04, -0.4, c2=0.1)
    assert found.holds
    assert found.alpha == pytest.approx(0.2, abs=0.02)  # |phi'| <= 0.1 * 0.4
    assert backtracking(lambda a: phi(a)[0], 0.04, -0.4).alpha == 0.25


@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan])
def test_no_length_is_tried_along_a_direction_that_does_not_descend(slope: float) -> None:
    def never(alpha: float) -> float:
        raise AssertionError

    assert backtracking(never, 3.0, slope) == Length(0.0, 3.0, 0, holds=False)
    assert strong_wolfe(never, 3.0, slope) == Length(0.0, 3.0, 0, holds=False)  # type: ignore[arg-type]


def test_a_search_without_success_ends_with_the_best_length_that_decreases() -> None:
    assert backtracking(lambda a: 1.0 + a, 1.0, -1.0, most=4) == Length(0.0, 1.0, 4, holds=False)
    # slopes that lie: the values grow, so nothing decreases
    assert strong_wolfe(lambda a: (1.0 + a, -1.0), 1.0, -1.0, most=4) == Length(0.0, 1.0, 4, holds=False)
    # a corner at 1/3, where no length is flat: the best that was met decreases
    corner = strong_wolfe(lambda a: (abs(a - 1 / 3), math.copysign(1.0, a - 1 / 3)), 1 / 3, -1.0, most=12)
    assert not corner.holds
    assert corner.evaluations == 12
    assert 0 < corner.value < 0.05


def test_a_first_decrease_that_is_lost_in_rounding_is_accepted() -> None:
    # 1 + c1 alpha slope rounds to 1: near a minimum no value is less, and the slope alone tells
    assert strong_wolfe(lambda a: (1.0, 0.0), 1.0, -1e-20) == Length(1.0, 1.0, 1, holds=True)


def test_backtracking_tries_alpha_then_its_powers_of_the_factor() -> None:
    tried: list[float] = []
    found = backtracking(lambda a: tried.append(a) or (a - 0.1) ** 2, 0.01, -0.2, alpha=2.0, factor=0.25)
    assert tried == [2.0, 0.5, 0.125]
    assert found == Length(0.125, (0.125 - 0.1) ** 2, 3, holds=True)


@given(least=st.floats(0.01, 10), c1=st.floats(0.01, 0.99), factor=st.floats(0.1, 0.9))
@settings(deadline=None)
def test_on_a_quadratic_backtracking_keeps_the_theorys_two_ends(least: float, c1: float, factor: float) -> None:
    # phi = (a - m)^2: the decrease holds exactly for a <= 2 (1 - c1) m, so the length lies within a factor below that
    found = backtracking(lambda a: (a - least) ** 2, least**2, -2 * least, alpha=100.0, c1=c1, factor=factor, most=200)
    longest = 2 * (1 - c1) * least
    assert found.holds
    assert factor * longest * (1 - 1e-9) <= found.alpha <= longest * (1 + 1e-9)  # rounding of the values at the end


def test_a_first_length_that_suffices_is_scipys_armijo_length() -> None:
    for x, d in directions(100):
        value, slope = along(x, d)(0.0)
        if along(x, d)(1.0)[0] <= value + C1 * slope:
            phi = along(x, d)
            expected, _ = scalar_search_armijo(lambda a, phi=phi: phi(a)[0], value, slope, c1=C1)
            assert backtracking(lambda a, phi=phi: phi(a)[0], value, slope).alpha == expected
