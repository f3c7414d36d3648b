"""The panels of what probes saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from runner.plot import curves
from runner.plot.base import look
from runner.plot.panel import strip
from runner.plot.panel.strip import Quantity, quantities, slide

EPOCHS = np.arange(1.0, 6.0)


def test_columns_that_differ_in_a_number_are_lines_of_one_panel() -> None:
    found = quantities(["dead_1", "dead_2", "alpha", "dead_10", "variance_100"])
    assert found == [
        Quantity("dead", (("1", "dead_1"), ("2", "dead_2"), ("10", "dead_10"))),
        Quantity("alpha", (("", "alpha"),)),
        Quantity("variance", (("100", "variance_100"),)),
    ]
    assert [each.heading for each in quantities(["cos_full", "lr"])] == ["cos full", "learning rate"]


def test_a_bound_lies_beside_what_it_bounds_and_alone_is_a_quantity() -> None:
    (found,) = quantities(["sharpness", "stable_below"])
    assert found == Quantity("sharpness", (("", "sharpness"),), bound="stable_below")
    assert quantities(["stable_below"]) == [Quantity("stable_below", (("", "stable_below"),))]


def drawn(columns: dict[str, list[float]]) -> Figure:
    values = {name: np.array(numbers) for name, numbers in columns.items()} | {"epoch": EPOCHS}
    with look():
        return slide("title", [], quantities(list(columns)), values, 3.0)


def test_the_bound_is_in_sight_and_the_lines_have_their_values() -> None:
    figure = drawn({"sharpness": [1.0, 2.0, 3.0, 4.0, 5.0], "stable_below": [40.0] * 5})
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low < 1
    assert high > 40
    line, bound, best = axes.lines
    assert np.array_equal(line.get_ydata(), [1, 2, 3, 4, 5])
    assert np.array_equal(bound.get_ydata(), [40] * 5)
    assert best.get_xdata() == [3.0, 3.0]


def test_lines_are_named_by_their_number_from_the_outermost_as_far_as_there_is_room() -> None:
    far = drawn({f"norm_{k}": [float(k)] * 5 for k in (1, 2, 3)})
    assert {text.get_text() for text in far.axes[0].texts} >= {"1", "2", "3"}
    near = drawn({f"norm_{k}": [1.0, 9.0, 1.0, 1.0, 1 + k / 1e3] for k in (1, 2, 3)})
    assert [text.get_text() for text in near.axes[0].texts if text.get_text() in "123"] == ["1"]


def test_a_column_without_any_number_is_drawn_empty() -> None:
    (axes,) = drawn({"alpha": [float("nan")] * 5}).axes
    assert not len(axes.lines[0].get_ydata())


@pytest.mark.parametrize(("count", "files"), [(3, ["curves"]), (4, ["curves", "probes"])])
def test_more_than_three_quantities_have_a_slide_of_their_own(count: int, files: list[str], tmp_path: Path) -> None:
    names = ["epoch", "step", "examples", "lr", "train_loss", "val_loss", "grad_norm"]
    names += [f"{letter}_{k}" for letter in "abcd"[:count] for k in (1, 2)]
    rows = [[epoch, 1, 1, 0.1, 1.0, 1.0, 1.0, *[epoch] * 2 * count] for epoch in (1, 2)]
    (tmp_path / "metrics.csv").write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
    (tmp_path / "manifest.json").write_text(json.dumps({"title": "t", "metrics": {}}))
    paths = curves.draw(tmp_path)
    assert [path.name for path in paths] == [f"{name}.{kind}" for name in files for kind in ("png", "svg")]
    run = curves.read(tmp_path)
    assert len(run.strips) == (count if count == 3 else 0)


def test_three_panels_lie_in_a_row() -> None:
    figure = drawn({f"{letter}x": [1.0] * 5 for letter in "abcde"})
    rows = {round(axes.get_position().y0, 3) for axes in figure.axes}
    assert len(figure.axes) == 5
    assert len(rows) == 2 == -(-5 // strip.ACROSS)
