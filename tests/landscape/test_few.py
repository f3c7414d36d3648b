"""Landscapes of one or two parameters: their minima, and what part of them is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runner.landscape.base import Surface, Trajectory, Values
from runner.landscape.coordinates import lowest, minima, names
from runner.landscape.few import losses_in, shallow, sight
from runner.landscape.window import MARGIN, SHAPE, Grid, Window, telling, window
from runner.run import prepare
from tests.lanes.sides import composed

HIMMELBLAU = [(3.0, 2.0), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127)]


def surface(*words: str) -> Surface:
    chosen = composed(*words)
    m = prepare(chosen)
    return Surface(chosen, m, m.train, 100)


def points(*rows: tuple[float, ...]) -> list[torch.Tensor]:
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


def test_the_minima_are_those_of_the_function_each_once() -> None:
    """From every lowest cell of a grid, and twice from one place."""
    himmelblau = surface("problem=himmelblau")
    shown = losses_in(himmelblau, Window(-5, 5, -5, 5, True), 41, 2)
    starts = [torch.tensor(place).double() for place in lowest(shown)]
    assert len(starts) == 4
    found = sorted(tuple(each.tolist()) for each in minima(himmelblau, [*starts, starts[0] + 0.1], 10.0))
    assert np.array(found) == pytest.approx(np.array(sorted(HIMMELBLAU)), abs=1e-6)  # as many digits as it has


def test_the_way_down_from_the_usual_start_leads_to_the_end_of_the_valley() -> None:
    (found,) = minima(surface("problem=rosenbrock"), points((-1.2, 1.0)), 3.0)
    assert found.tolist() == pytest.approx([1.0, 1.0], abs=1e-7)


@pytest.mark.parametrize(
    ("problem", "start"),
    [("saddle", (1.0, 0.0)), ("saddle", (1.0, 0.1)), ("plane", (0.0, 0.0)), ("monkey_saddle", (0.3, 0.01))],
)
def test_where_there_is_no_minimum_none_is_found(problem: str, start: tuple[float, float]) -> None:
    """Neither at the saddle itself, where the gradient is 0, nor where the loss falls without end."""
    assert minima(surface(f"problem={problem}"), points(start), 3.0) == []


def test_the_lowest_cells_of_a_curve_are_its_wells() -> None:
    wells = losses_in(surface("problem=double_well"), Window(-2, 2, 0, 0, True), 41, 1)
    assert wells.y.size == 0
    assert [place for (place,) in lowest(wells)] == pytest.approx([-1.0, 1.0])


def test_the_losses_of_a_grid_stand_at_their_places() -> None:
    """f = x1^2 + 4 x2^2, a row for each x2."""
    shown = losses_in(surface("problem=ravine"), Window(-1, 2, -3, 1, True), 5, 2)
    assert shown.x == pytest.approx([-1, -0.25, 0.5, 1.25, 2])
    assert shown.y == pytest.approx([-3, -2, -1, 0, 1])
    assert shown.losses == pytest.approx(shown.x**2 + 4 * shown.y[:, None] ** 2)


def test_parameters_are_called_by_their_places_or_by_their_tensors() -> None:
    assert names(composed("problem=bowl"), prepare(composed("problem=bowl")).layout) == ["x1", "x2"]
    line = composed("dataset=sine", "loss=mse", "architecture=linear")
    layout = prepare(line).layout
    assert names(line, layout) == [slot.name for slot in layout.slots]


def square(*places: tuple[float, float]) -> Values:
    return np.array(places)


def test_a_window_holds_all_places_with_a_margin_and_one_scale() -> None:
    seen = window(square((0, 0), (10, 2), (3, -2)))
    assert seen.even
    assert (seen.right - seen.left) == pytest.approx(10 / (1 - 2 * MARGIN))
    assert (seen.high - seen.low) == pytest.approx((seen.right - seen.left) / SHAPE)
    assert ((seen.left + seen.right) / 2, (seen.low + seen.high) / 2) == pytest.approx((5, 0))


def test_a_long_strip_has_a_scale_of_its_own_on_each_axis() -> None:
    seen = window(square((0, 0), (10, 1)))
    assert not seen.even
    assert (seen.right - seen.left, seen.high - seen.low) == pytest.approx((10 / 0.76, 1 / 0.76))


@pytest.mark.parametrize("places", [square((2, 3)), square((2, 3), (2, 5)), square((2, 3), (9, 3))])
def test_a_window_of_a_dot_or_a_line_has_two_sides(places: Values) -> None:
    seen = window(places)
    assert seen.right > seen.left
    assert seen.high > seen.low
    assert all(seen.holds(x, y) for x, y in places.tolist())


PATH, DOWN = square((0, 0), (1, 0), (2, 0)), np.array([4.0, 2.0, 1.0])


def test_a_path_that_diverges_beside_others_does_not_widen_the_window() -> None:
    lost = square((0, 0), (1e6, 0))
    assert telling([PATH, lost], [DOWN, np.array([4.0, 5.0])], [True, False]) == pytest.approx(PATH)


def test_a_path_that_climbs_far_above_its_start_is_let_go_there() -> None:
    away = square((0, 0), (50, 0), (3, 0))
    kept = telling([PATH, away], [DOWN, np.array([4.0, 7.2, 0.9])], [True, True])
    assert kept.tolist() == [*PATH.tolist(), [0, 0], [3, 0]]


def test_of_runs_that_all_diverge_the_beginning_is_shown() -> None:
    lost = square((0, 0), (1, 0), (2, 0), (-3, 0), (500, 0))
    kept = telling([lost], [np.array([9.0, 8.0, 7.5, 9.0, np.inf])], [False])
    assert kept.tolist() == [[0, 0], [1, 0], [2, 0], [-3, 0]]
    down = telling([lost], [np.array([9.0, 8.0, 7.5, 6.0, -1e9])], [False])
    assert down.tolist() == kept.tolist()  # as long as it is near: 4 times the median distance


def test_without_a_floor_the_fastest_path_does_not_widen_the_window_without_end() -> None:
    slow, fast = np.array([1.0, 0.9, 0.5]), np.array([1.0, -3.9, -4.1, -1e9])
    assert shallow(fast, [slow, fast]).tolist() == [1.0, -3.9, np.inf, np.inf]
    assert shallow(slow, [slow, fast]).tolist() == slow.tolist()


def test_a_grid_with_losses_that_are_not_finite_has_lowest_cells_too() -> None:
    losses = np.full((5, 5), np.inf)
    losses[2, 3] = 1.0
    assert lowest(Grid(np.arange(5.0), np.arange(5.0) * 10, losses)) == [[3.0, 20.0]]


def test_of_a_run_that_diverges_at_once_one_sees_where_it_should_have_gone() -> None:
    rosenbrock = surface("problem=rosenbrock")
    leap = torch.tensor([[-1.2, 1.0], [-300.0, 9e6], [1e30, 1e20]]).double()
    lost = Trajectory("sgd", "sgd", "diverged", (0, 1, 2), leap)
    seen, below = sight(rosenbrock, [lost], [leap], [rosenbrock.of_many(leap)])
    assert [each.tolist() for each in below] == [pytest.approx([1.0, 1.0])]
    assert seen.holds(-1.2, 1.0)
    assert seen.holds(1.0, 1.0)
    assert seen.width < 4
