"""The slide of an experiment: which scale its curves have, and what they are drawn over."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from runner.plot.base import look
from runner.plot.lecture import Shown, figure, read, values

NAMES = ("here", "without")


def circumstance(control: bool) -> dict[str, Any]:
    name = "without" if control else "the experiment"
    return {"title": name, "control": control, "value": 2.0, "low": 1.9, "high": 2.1, "within": not control}


TOLD: dict[str, Any] = {
    **{"name": "mine/twice", "place": "p. 1", "claim": "a is twice b", "right": "", "as_printed": "", "over": ""},
    **{"verdict": "holds", "predicted": 2.0, "bounds": [1.5, 2.5], "slope": False},
    "what": "a over b, in words that need two lines beside each other",
    "measured": {"here": circumstance(control=False), "without": circumstance(control=True)},
}


def shown(*curves: list[float], **changes: Any) -> Shown:
    """A slide whose case has one arm, and its control another curve."""
    runs = {name: {"a": [(np.arange(len(y)) + 1.0, np.array(y))]} for name, y in zip(NAMES, curves, strict=True)}
    return Shown(TOLD | changes, "x", runs, "step")


@pytest.mark.parametrize(
    ("case", "control", "log"),
    [
        ([1.0, 0.1, 0.01, 0.001], [1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 0.1, 0.01, 0.001, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0], True),  # what has arrived keeps its way there
        ([0.0, 0.0, 0.0, 0.0], [1.0, 0.1, 0.01, 0.001], False),  # a curve of zeros would not be there
        ([0.5, 0.0, 0.0, 0.0, 0.0], [1.0, 0.1, 0.01, 0.001, 0.1], False),
        ([1.0, -0.1, 0.01, -0.001], [1.0, 1.0, 1.0, 1.0], False),
        ([1.0, 0.9, 0.8, 0.7], [1.0, 1.0, 1.0, 1.0], False),
    ],
)
def test_curves_are_logarithmic_where_none_of_them_is_lost_by_that(
    case: list[float], control: list[float], log: bool
) -> None:
    assert values(shown(case, control), NAMES)[1] is log


@pytest.mark.parametrize(("numbers", "log"), [([2.0, 3.0], True), ([2.0, 0.0], True), ([0.0, 0.0], False)])
def test_a_slope_is_shown_over_logarithms_where_there_are_any(numbers: list[float], log: bool) -> None:
    measured = {name: TOLD["measured"][name] | {"numbers": {"1": numbers, "10": numbers}} for name in NAMES}
    seen, found = values(shown([1.0], [1.0], slope=True, measured=measured), NAMES)
    assert found is log
    assert (seen > 0).all() == log


def test_a_curve_that_falls_for_ever_does_not_stretch_the_axis_beyond_rounding() -> None:
    seen, log = values(shown([1.0, 1e-10, 1e-20, 1e-300], [1.0, 0.1, 0.1, 0.1]), NAMES)
    assert log
    assert seen.min() == 1e-20


def experiment(path: Path, steps: tuple[int, int]) -> Path:
    """The files of an experiment whose two runs have so many steps an epoch."""
    jobs = [{"circumstance": name, "arm": "a", "seed": 0} for name in NAMES]
    (path / "verdict.json").write_text(json.dumps(TOLD))
    (path / "lecture.json").write_text(json.dumps({"claim": {"measure": {"column": "x"}}, "jobs": jobs}))
    (path / "sweep.json").write_text(json.dumps({"jobs": [{"dir": "0"}, {"dir": "1"}]}))
    for number, each in enumerate(steps):
        (path / str(number)).mkdir()
        rows = "".join(f"{epoch},{epoch * each},{0.5**epoch}\n" for epoch in (1, 2, 3))
        (path / str(number) / "metrics.csv").write_text(f"epoch,step,x\n{rows}")
    return path


@pytest.mark.parametrize(("steps", "over", "last"), [((13, 13), "step", 39.0), ((13, 1), "epoch", 3.0)])
def test_runs_whose_epochs_differ_in_length_are_compared_by_epoch(
    steps: tuple[int, int], over: str, last: float, tmp_path: Path
) -> None:
    found = read(experiment(tmp_path, steps))
    assert found.over == over
    assert found.curves["here"]["a"][0][0][-1] == last


def of_arms(*numbers: dict[str, list[float]], **changes: Any) -> Shown:
    """A slide whose runs have one row each: case and control, a number for each arm and seed."""
    curves = {
        name: {arm: [(np.ones(1), np.array([value])) for value in values] for arm, values in each.items()}
        for name, each in zip(NAMES, numbers, strict=True)
    }
    return Shown(TOLD | {"over": "class"} | changes, "x", curves, "step")


def panels(shown: Shown) -> list[Axes]:
    """The panels of the case and of the control."""
    with look():
        case, control, _ = figure(shown).axes
    return [case, control]


def test_arms_of_one_number_each_are_bars_from_0_and_one_without_height_is_a_dot() -> None:
    case, control = panels(of_arms({"0": [-0.25], "1": [0.5]}, {"0": [0.0], "1": [0.5]}))
    assert [bar.get_height() for bar in bars(case)] == [-0.25, 0.5]
    assert {bar.get_y() for bar in bars(case)} == {0.0}
    assert [[*map(float, line.get_xdata())] for line in dots(case)] == [[]]
    assert [[*map(float, line.get_xdata())] for line in dots(control)] == [[0.0]]
    assert [label.get_text() for label in control.get_xticklabels()] == ["0", "1"]
    assert (control.get_xlabel(), control.get_ylim()) == ("class", case.get_ylim())


def bars(axes: Axes) -> list[Rectangle]:
    return [each for each in axes.patches if isinstance(each, Rectangle)]


def dots(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_marker() == "o"]


def test_arms_of_several_seeds_are_a_line_for_each_seed_and_what_diverged_is_a_cross() -> None:
    case, control = panels(
        of_arms({"0": [1.0, 1.0], "1": [1.0, 1.0]}, {"0": [1.2, math.inf], "1": [0.9, 1.4]}, over="layer")
    )
    assert [[*map(float, line.get_ydata())] for line in dots(case)] == [[1.0, 1.0], [1.0, 1.0]]
    assert np.array_equal(np.array([line.get_ydata() for line in dots(control)]), [[1.2, 0.9], [math.nan, 1.4]], True)
    (crosses,) = [line for line in control.lines if line.get_marker() == "x"]
    assert [*map(float, crosses.get_xdata())] == [0.0]


def test_runs_of_several_rows_or_of_one_arm_are_curves_over_the_steps() -> None:
    assert of_arms({"0": [1.0], "1": [2.0]}, {"0": [1.0], "1": [2.0]}).side_by_side
    assert not of_arms({"0": [1.0]}, {"0": [1.0]}).side_by_side
    assert not shown([1.0, 0.5], [1.0, 1.0]).side_by_side


def test_every_text_of_a_slide_lies_on_it_and_none_is_set_small(tmp_path: Path) -> None:
    with look():
        slide = figure(shown([1.0, 0.5, 0.3, 0.2], [1.0, 1.0, 1.0, 1.0]))
        slide.draw_without_rendering()
        texts = [each for each in slide.findobj(Text) if each.get_text().strip()]
        for each in texts:
            box = each.get_window_extent()
            assert box.x0 >= 0, each
            assert box.x1 <= slide.bbox.width, each
            assert each.get_size() >= 9, each
    assert len(texts) > 10
