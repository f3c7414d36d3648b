"""How far to go along a direction: functions of phi(alpha) = F(theta + alpha d) alone.

    decrease (Armijo)   phi(alpha) <= phi(0) + c1 alpha phi'(0)        not too long
    curvature           |phi'(alpha)| <= -c2 phi'(0)                   not too short, and near a stationary point

`backtracking` finds a length with the first, `strong_wolfe` one with both, which keeps BFGS positive definite
(c1 < c2) and nonlinear conjugate gradient descending (c2 < 1/2).

phi(0) and phi'(0) = g.d are the caller's already and are not asked again. A value that is nan counts as inf: too long.
Where phi'(0) is not below 0, no length is tried: the answer is alpha = 0, `holds` False.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

Values = Callable[[float], float]
Slopes = Callable[[float], tuple[float, float]]  # alpha to (phi, phi')

# Of the interval between the two ends, scipy's: a trial by a cubic keeps this away from both, one by a parabola that.
CUBIC_MARGIN = 0.2
QUADRATIC_MARGIN = 0.1


@dataclass(frozen=True)
class Length:
    """A step length, phi there, calls of phi, and whether the conditions hold.

    Where they hold, alpha is the length that was tried last: a caller that keeps its last gradient has the one there.
    Where not, alpha is the best length met that has the decrease, or 0.
    """

    alpha: float
    value: float
    evaluations: int
    holds: bool


class Point(NamedTuple):
    """A length with what is known of phi there."""

    alpha: float
    value: float
    slope: float


def backtracking(
    phi: Values,
    value: float,
    slope: float,
    *,
    alpha: float = 1.0,
    c1: float = 1e-4,
    factor: float = 0.5,
    most: int = 30,
) -> Length:
    """The first of alpha, factor alpha, factor^2 alpha ... that has the decrease.

    phi: alpha to phi(alpha); slopes are not needed
    value, slope: phi(0) and phi'(0)
    alpha: the first trial, above 0
    c1: part of the predicted decrease that is enough, in (0, 1); on a quadratic above 1/2 the best length is refused
    factor: in (0, 1)
    most: trials; 30 halvings reach 1e-9 alpha

    >>> backtracking(lambda a: (a - 0.3) ** 2, value=0.09, slope=-0.6)
    Length(alpha=0.5, value=0.04000000000000001, evaluations=2, holds=True)

    Source: Armijo 1966; Nocedal & Wright 2006, algorithm 3.1.
    """
    if not slope < 0:
        return Length(0.0, value, 0, holds=False)
    for tries in range(1, most + 1):
        tried = phi(alpha)
        if tried <= value + c1 * alpha * slope:
            return Length(alpha, tried, tries, holds=True)
        alpha *= factor
    return Length(0.0, value, most, holds=False)


def strong_wolfe(
    phi: Slopes,
    value: float,
    slope: float,
    *,
    alpha: float = 1.0,
    c1: float = 1e-4,
    c2: float = 0.9,
    alpha_max: float = math.inf,
    most: int = 20,
) -> Length:
    """A length with the decrease and the curvature.

    Lengths are doubled until two neighbours enclose one; the enclosure then shrinks by interpolation:

        low   the end with the lower phi, which has the decrease, and phi' points into the interval
        high  the other end
        trial the minimizer of the cubic through phi, phi' at low and phi at high and at the last end that was dropped;
              where that comes within 0.2 of the interval to an end, of the parabola without the last; where that
              comes within 0.1, the middle

    phi: alpha to (phi(alpha), phi'(alpha))
    value, slope: phi(0) and phi'(0)
    alpha: the first trial, above 0; 1 for Newton's methods
    c1, c2: 0 < c1 < c2 < 1
    alpha_max: the longest length
    most: calls of phi

    >>> found = strong_wolfe(lambda a: ((a - 3) ** 2, 2 * (a - 3)), value=9.0, slope=-6.0, c2=0.1)
    >>> found.alpha, found.evaluations, found.holds
    (3.0, 4, True)

    Source: Nocedal & Wright 2006, algorithms 3.5 and 3.6; interpolation and margins as in scipy. Here the margins
    keep their sign where high < low; in scipy they turn negative there, and a trial may leave the interval.
    """
    origin = Point(0.0, value, slope)
    if not slope < 0:
        return Length(0.0, value, 0, holds=False)

    def at(length: float) -> Point:
        return Point(length, *phi(length))

    def decreased(x: Point) -> bool:
        return x.value <= value + c1 * x.alpha * slope

    def flat(x: Point) -> bool:
        return abs(x.slope) <= -c2 * slope

    def too_long(x: Point) -> bool:
        return not decreased(x) or (last is not origin and not x.value < last.value)

    last, tried = origin, at(min(alpha, alpha_max))
    evaluations = 1
    while not too_long(tried) and tried.slope < 0 and not flat(tried):
        last = tried
        if evaluations == most or last.alpha == alpha_max:
            return Length(last.alpha, last.value, evaluations, holds=False)
        tried = at(min(2 * last.alpha, alpha_max))
        evaluations += 1
    if too_long(tried):
        low, high = last, tried
    elif flat(tried):
        return Length(tried.alpha, tried.value, evaluations, holds=True)
    else:
        low, high = tried, last
    dropped: Point | None = None
    while evaluations < most:
        tried = at(inside(low, high, dropped))
        evaluations += 1
        if not decreased(tried) or not tried.value < low.value:
            high, dropped = tried, high
            continue
        if flat(tried):
            return Length(tried.alpha, tried.value, evaluations, holds=True)
        if tried.slope * (high.alpha - low.alpha) >= 0:
            low, high, dropped = tried, low, high
        else:
            low, dropped = tried, low
    return Length(low.alpha, low.value, evaluations, holds=False)


def inside(low: Point, high: Point, dropped: Point | None) -> float:
    """The next trial strictly between both ends."""
    width = abs(high.alpha - low.alpha)

    def clear(alpha: float, margin: float) -> bool:
        return min(abs(alpha - low.alpha), abs(alpha - high.alpha)) >= margin * width and (
            min(low.alpha, high.alpha) <= alpha <= max(low.alpha, high.alpha)
        )

    if dropped is not None and clear(trial := cubic_minimizer(low, high, dropped), CUBIC_MARGIN):
        return trial
    if clear(trial := quadratic_minimizer(low, high), QUADRATIC_MARGIN):
        return trial
    return low.alpha + 0.5 * (high.alpha - low.alpha)


def quadratic_minimizer(low: Point, high: Point) -> float:
    """Where the parabola through both values with low's slope is least; nan where it is none.

    >>> quadratic_minimizer(Point(0.0, 9.0, -6.0), Point(4.0, 1.0, 2.0))
    3.0
    """
    step = high.alpha - low.alpha
    bend = (high.value - low.value - low.slope * step) / (step * step)
    return low.alpha - low.slope / (2 * bend) if bend else math.nan


def cubic_minimizer(low: Point, high: Point, third: Point) -> float:
    """Where the cubic through three values with low's slope has its minimum; nan where it has none.

        a t^3 + b t^2 + c t + phi(low),   t = alpha - low,   c = phi'(low):   t = (-b + sqrt(b^2 - 3 a c)) / (3 a)

    >>> cubic_minimizer(Point(0.0, 2.0, -3.0), Point(2.0, 4.0, 9.0), Point(3.0, 20.0, 24.0))  # t^3 - 3 t + 2
    1.0
    """
    u, v = high.alpha - low.alpha, third.alpha - low.alpha
    over_u, over_v = high.value - low.value - low.slope * u, third.value - low.value - low.slope * v
    scale = u * u * v * v * (u - v)
    if not scale:
        return math.nan
    a = (v * v * over_u - u * u * over_v) / scale
    b = (u**3 * over_v - v**3 * over_u) / scale
    under = b * b - 3 * a * low.slope
    return low.alpha + (-b + math.sqrt(under)) / (3 * a) if a and under >= 0 else math.nan
