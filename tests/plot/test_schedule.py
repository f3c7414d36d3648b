"""The picture of a schedule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from runner.core.errors import DiskError
from runner.plot import base, schedule


def axes_of(rates: list[float]) -> Axes:
    with base.look():
        figure = schedule.figure("title", ["one", "two"], np.arange(len(rates)) / 2, np.array(rates))
    assert [text.get_text() for text in figure.texts] == ["title", "one", "two"]
    (axes,) = figure.axes
    return axes


def test_the_curve_goes_through_every_rate() -> None:
    (line,) = axes_of([0.1, 0.2, 0.1, 0.0]).lines
    assert np.asarray(line.get_xdata()).tolist() == [0.0, 0.5, 1.0, 1.5]
    assert np.asarray(line.get_ydata()).tolist() == [0.1, 0.2, 0.1, 0.0]


@pytest.mark.parametrize(
    ("rates", "scale"),
    [
        ([1.0, 1.0, 0.9, 0.5, 0.001], "linear"),  # low at the end alone
        ([1.0, 0.01, 0.01, 0.01, 0.001], "log"),
        ([1.0, 0.01, 0.01, 0.01, 0.0], "linear"),  # 0 has no logarithm
        ([0.5, 0.5, 0.5], "linear"),
        ([0.0], "linear"),
    ],
)
def test_the_axis_is_logarithmic_where_most_of_the_run_is_low(rates: list[float], scale: str) -> None:
    assert axes_of(rates).get_yscale() == scale


def test_a_linear_axis_shows_0() -> None:
    low, high = axes_of([0.5, 0.5, 0.5]).get_ylim()
    assert low <= 0 < 0.5 < high


def test_the_same_rates_give_the_same_bytes(tmp_path: Path) -> None:
    pictures = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths = schedule.draw(tmp_path / name, "t", ["n"], np.arange(50.0), np.linspace(1, 0, 50))
        assert [path.name for path in paths] == ["schedule.png", "schedule.svg"]
        pictures.append([path.read_bytes() for path in paths])
    assert pictures[0] == pictures[1]


def test_a_folder_that_is_not_there_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskError):
        schedule.draw(tmp_path / "none", "t", [], np.arange(2.0), np.ones(2))
