"""The panel with every axis of a sweep side by side."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from runner.plot.base import BAD, TRAIN
from runner.plot.panel.parallel import LOST
from tests.plot.test_sweep import LR, OPTIMIZER, SEED, Level, drawn, folder, words

AXES = OPTIMIZER | LR | {"width": ["8", "64"]}
LEVEL: Level = lambda v: (  # noqa: E731 - adam at lr 0.01 with width 64 has the least, 1.1
    1 + 0.1 * (1 + abs(math.log10(float(v["lr"])) + 2)) + (v["optimizer"] == "sgd") + (v["width"] == "8") / 2
)


def parallel(figure: Figure) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title("left").startswith("every axis")]
    return found


def lines(axes: Axes) -> np.ndarray:
    """Heights of the settings on the axes [setting, axis], the worst first."""
    (found,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    return np.array([segment[:, 1] for segment in found.get_segments()])


def colours(axes: Axes) -> list[tuple[float, ...]]:
    (found,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    return [tuple(colour[:3]) for colour in found.get_colors()]


def test_three_axes_that_are_no_seed_have_the_panel_and_two_have_not(tmp_path: Path) -> None:
    assert len(drawn(folder(tmp_path, AXES, LEVEL)).axes) == 3
    (tmp_path / "two").mkdir()
    assert len(drawn(folder(tmp_path / "two", LR | OPTIMIZER | SEED, lambda v: 1.0)).axes) == 2


def test_each_axis_has_its_name_and_its_values(tmp_path: Path) -> None:
    axes = parallel(drawn(folder(tmp_path, AXES, LEVEL)))
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["optimizer", "lr", "width", "best validation\nloss"]
    assert words(axes)[:7] == ["sgd", "adam", "0.001", "0.01", "0.1", "8", "64"]


def test_a_setting_goes_through_its_values_to_its_loss_and_the_best_lies_on_top(tmp_path: Path) -> None:
    axes = parallel(drawn(folder(tmp_path, AXES, LEVEL)))
    heights = lines(axes)
    assert heights.shape == (12, 4)
    best, worst = heights[-1], heights[0]
    # Thirds of the height belong to a learning rate, halves to an optimizer and to a width.
    assert (best[0] > 0.5, 1 / 3 < best[1] < 2 / 3, best[2] > 0.5, best[3]) == (True, True, True, 0.0)
    assert (worst[0] < 0.5, worst[2] < 0.5, worst[3]) == (True, True, 1.0)
    assert (np.diff(heights[:, 3]) <= 0).all()
    orange = [line for line in axes.lines if line.get_color() == TRAIN]
    assert np.asarray(orange[0].get_ydata()).tolist() == best.tolist()


def test_the_better_setting_is_darker(tmp_path: Path) -> None:
    found = [sum(colour) for colour in colours(parallel(drawn(folder(tmp_path, AXES, LEVEL))))]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 1


def test_lines_through_one_value_are_spread_with_the_better_ones_lower(tmp_path: Path) -> None:
    heights = lines(parallel(drawn(folder(tmp_path, AXES, LEVEL))))
    adam = heights[heights[:, 0] > 0.5]
    assert len(set(adam[:, 0].tolist())) == 6
    assert (np.diff(adam[:, 0]) < 0).all()


def test_diverged_settings_are_red_and_end_above_all_others(tmp_path: Path) -> None:
    level: Level = lambda v: math.inf if v["lr"] == "0.1" else LEVEL(v)  # noqa: E731
    axes = parallel(drawn(folder(tmp_path, AXES, level)))
    heights = lines(axes)
    assert heights[:4, 3].tolist() == [LOST] * 4
    assert heights[4:, 3].max() == 1.0
    assert [colour == to_rgb(BAD) for colour in colours(axes)] == [True] * 4 + [False] * 8
    assert "diverged" in words(axes)


def test_many_values_of_a_learning_rate_stand_on_a_logarithmic_scale(tmp_path: Path) -> None:
    lr = {"lr": [f"1e-{k}" for k in range(13)]}
    axes = parallel(drawn(folder(tmp_path, lr | OPTIMIZER | {"width": ["8", "64"]}, lambda v: 1 + float(v["lr"]))))
    assert sorted(set(lines(axes)[:, 0].round(9).tolist())) == pytest.approx([k / 12 for k in range(13)])
    assert "1e-12" in words(axes)


def test_what_an_axis_explains_stands_at_it(tmp_path: Path) -> None:
    folder(tmp_path, AXES, LEVEL)
    text = "axis,values,share,by_chance,left_out\noptimizer,2,0.8,0.1,\nlr,3,0.15,0.1,\nwidth,1,,,64\n"
    (tmp_path / "sweep_importance.csv").write_text(text)
    figure = drawn(tmp_path)
    names = [label.get_text() for label in parallel(figure).get_xticklabels()]
    assert names[:3] == ["optimizer\n80 % alone", "lr\n15 % alone", "width"]
    assert "% alone: share of the variance" in figure.texts[1].get_text()


def test_of_thousands_of_settings_a_thousand_are_drawn_evenly_and_the_title_says_so(tmp_path: Path) -> None:
    axes = {"lr": [f"{k}" for k in range(1, 21)], "width": [f"{k}" for k in range(1, 21)], "optimizer": ["a", "b", "c"]}
    panel = parallel(drawn(folder(tmp_path, axes, lambda v: float(v["lr"]) + float(v["width"]), epochs=1)))
    assert len(lines(panel)) == 1000
    assert panel.get_title("left") == (
        "every axis, each line a setting (1,000 of 1,200, evenly by rank): the darker the better, orange the best"
    )
    assert [each.get_rasterized() for each in panel.collections] == [True]


@pytest.mark.parametrize("level", [math.inf, math.nan, 1.0])
def test_a_panel_without_two_different_losses_can_be_drawn(tmp_path: Path, level: float) -> None:
    drawn(folder(tmp_path, AXES, lambda v: level)).canvas.draw()


def test_no_text_of_the_panel_is_cut_off_at_the_edge_of_the_page(tmp_path: Path) -> None:
    long = "a_very_long_name_of_a_choice_that_somebody_has_made_for_a_reason"
    axes = {"optimizer": [long, "x"], long: [long, "x"], "lr": ["0.1", "1"]}
    figure = drawn(folder(tmp_path, axes, lambda v: math.inf if v["lr"] == "1" else 1e-7 + (v["optimizer"] == "x")))
    figure.canvas.draw()
    edge, panel = figure.get_window_extent(), parallel(figure)
    texts = [*panel.texts, *panel.get_xticklabels(), panel.title]
    for box in (text.get_window_extent() for text in texts if text.get_text()):
        assert edge.x0 <= box.x0
        assert box.x1 <= edge.x1
        assert edge.y0 <= box.y0
