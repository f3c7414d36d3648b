"""Pictures of landscapes: levels, colours, the column of names, and the film."""

from __future__ import annotations

import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runner.plot.base import Values, look
from runner.plot.landscape import contours, film, line
from runner.plot.landscape.beside import TIGHT, Name, fitted, styles
from runner.plot.landscape.contours import MOST, Shown, Track, levels_of
from runner.plot.panel.base import STYLES, style_slots

X = np.linspace(-2, 2, 61)


def track(optimizer: str = "sgd", steps: int = 10, lost: bool = False) -> Track:
    at = np.linspace(0, 1, steps + 1)
    return Track(optimizer, optimizer, ("loss 0.1 after 10 steps",), lost, np.arange(steps + 1), 1.8 - 1.7 * at, at)


def shown(*tracks: Track, losses: Values | None = None, floor: float | None = 0.0, even: bool = True) -> Shown:
    """A ravine, seen through a window of 61 x 61."""
    found = X[None, :] ** 2 + 50 * X[:, None] ** 2 if losses is None else losses
    given = tracks or (track(),)
    return Shown("ravine", ("a note",), ("x1", "x2"), X, X, found, floor, given, ((0.0, 0.0),), even)


def test_levels_grow_by_one_factor_from_the_floor_to_the_highest_loss() -> None:
    values = 0.25 + X[None, :] ** 2 + 50 * X[:, None] ** 2
    found = levels_of(values, 0.25)
    assert found.floor == 0.25
    assert found.factor is not None
    ratios = found.values[1:] / found.values[:-1]
    assert ratios == pytest.approx(np.full(len(ratios), found.factor))
    assert 6 <= len(found.values) <= MOST + 1
    assert found.values[-1] * found.factor > values.max() - 0.25 >= found.values[-1]


def test_a_ravine_shows_contours_within_it() -> None:
    """A fifth of the contours at least lie where the loss is below a thousandth of the highest."""
    found = levels_of(shown().losses, 0.0)
    assert (found.values < shown().losses.max() / 100).mean() > 0.2


def test_a_loss_without_a_floor_has_even_levels_among_its_values() -> None:
    values = X[None, :] ** 2 - X[:, None] ** 2
    found = levels_of(values, None)
    assert found.factor is None
    assert np.diff(found.values) == pytest.approx(np.full(len(found.values) - 1, found.values[1] - found.values[0]))
    assert values.min() <= found.values.min() < found.values.max() <= values.max()


@pytest.mark.parametrize("losses", [np.full((9, 9), 3.0), np.full((9, 9), np.nan)])
def test_a_ground_without_any_shape_is_drawn_all_the_same(losses: Values, tmp_path: Path) -> None:
    grid = Shown("", (), ("", ""), X[:9], X[:9], losses, 3.0, (track(),), (), True)
    assert [path.name for path in contours.draw(tmp_path, "a", grid)] == ["a.png", "a.svg"]


def test_the_colour_of_an_optimizer_is_the_one_that_it_has_in_a_sweep() -> None:
    slots = style_slots(["adam", "sgd", "lbfgs"])
    assert [colour for colour, _ in styles(["adam", "sgd", "lbfgs"])] == [
        STYLES[slots[name]][0] for name in ("adam", "sgd", "lbfgs")
    ]


def test_runs_of_one_optimizer_differ_in_lightness_and_dash() -> None:
    found = styles(["sgd", "adam", "adam", "adam"])
    assert len({colour for colour, _ in found}) == 4
    assert len({str(dash) for _, dash in found[1:]}) == 3
    assert found[1] == (STYLES[2][0], "solid")


def test_a_line_is_drawn_above_the_wider_one_before_it_so_that_both_are_seen() -> None:
    with look():
        drawn = contours.figure(shown(track("sgd"), track("adam"), track("lbfgs")))
    widths = [lines[-1].get_linewidth() for lines in drawn.lines]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


@pytest.mark.parametrize(("scale", "dots"), [(1.0, True), (0.05, False)])
def test_long_steps_have_a_dot_each(scale: float, dots: bool) -> None:
    """Of 0.17 in a panel of 4 wide, and of a twentieth of that."""
    one = track()
    small = Track("sgd", "sgd", (), False, one.steps, scale * one.x, scale * one.y)
    with look():
        drawn = contours.figure(shown(small))
    assert (drawn.lines[0][-1].get_marker() == "o") is dots


def test_two_axes_with_scales_of_their_own_are_told() -> None:
    with look():
        told = [text.get_text() for text in contours.figure(shown(even=False)).figure.texts]
    assert any(text.endswith(" · the two axes have scales of their own") for text in told)


def test_names_keep_apart_and_less_is_told_where_there_are_many() -> None:
    long = ("loss 0.1 after 1,000 steps", "12 from start to end", "up to 3 off the plane")
    for count in range(1, 9):
        bold, told, step = fitted([Name("momentum · lr 0.1", long, ("#000000", "solid"))] * count, 2.2, 3.3)
        lines = sum(map(len, [*bold, *told]))
        assert step * lines <= 3.3 + 1e-9
        assert step >= TIGHT
        assert len(bold) == count
    assert [len(each) for each in told] == [1] * 8


# ---- the film


def frames(data: bytes) -> list[Image.Image]:
    picture = Image.open(io.BytesIO(data))
    found = []
    for number in range(picture.n_frames):
        picture.seek(number)
        found.append(picture.convert("RGB"))
    return found


def test_a_film_has_a_frame_for_every_step_and_rests_at_its_end(tmp_path: Path) -> None:
    data = film.draw(tmp_path, "a", shown(track(steps=10))).read_bytes()
    seen = frames(data)
    assert len(seen) == 11
    assert all(one.tobytes() != other.tobytes() for one, other in itertools.pairwise(seen))
    last = Image.open(io.BytesIO(data))
    last.seek(10)
    assert last.info["duration"] == film.LAST_MS
    assert last.info["loop"] == 0


def test_a_run_that_ends_early_stays_where_it_ended() -> None:
    long, short = track("sgd", steps=10), track("adam", steps=4)
    with look():
        drawn = contours.figure(shown(long, short))
        film.pictures(drawn, shown(long, short), [0, 7])
    assert drawn.lines[0][-1].get_xdata() == pytest.approx(long.x[:8])
    assert drawn.lines[1][-1].get_xdata() == pytest.approx(short.x)
    assert drawn.heads[1].get_xdata() == pytest.approx(short.x[-1:])


def test_the_paper_of_a_film_is_white() -> None:
    with look():
        pictures = film.pictures(contours.figure(shown()), shown(), [0, 5])
    assert [each.convert("RGB").getpixel((0, 0)) for each in pictures] == [(255, 255, 255)] * 2


@pytest.mark.parametrize("last", [1, 119, 120, 1000, 10**6])
def test_a_film_has_at_most_so_many_frames_the_first_and_the_last_step_among_them(last: int) -> None:
    found = film.moments(last)
    assert len(found) <= film.FRAMES
    assert (found[0], found[-1]) == (0, last)
    assert found == sorted(set(found))


def test_a_film_that_is_too_large_has_half_of_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = film.draw(tmp_path, "a", shown(track(steps=10))).stat().st_size
    monkeypatch.setattr(film, "MOST", whole - 1)
    half = film.draw(tmp_path, "a", shown(track(steps=10)))
    assert half.stat().st_size < whole
    assert len(frames(half.read_bytes())) == 6


def test_the_same_landscape_gives_the_same_bytes(tmp_path: Path) -> None:
    def bytes_of(stem: str) -> list[bytes]:
        paths = [*contours.draw(tmp_path, stem, shown()), film.draw(tmp_path, stem, shown())]
        return [path.read_bytes() for path in paths]

    assert bytes_of("a") == bytes_of("b")


# ---- the line


def test_what_lies_far_above_beyond_the_ends_is_cut_off_and_what_lies_between_is_seen(tmp_path: Path) -> None:
    alphas = np.linspace(-0.25, 1.25, 7)
    losses = np.array([1e9, 3.0, 2.0, 1.5, 1.0, 0.9, 1e9])
    with look():
        from runner.plot.base import page, panel

        slide, _ = page("", [], 3.0)
        axes = panel(slide, 1, 1, 4, 3, "")
        line.place_axes(axes, [line.Line("sgd", "sgd", "", alphas, losses, losses)])
    low, high = axes.get_ylim()
    assert low < 0.9
    assert 3.0 < high < 30
    assert math.isclose(axes.get_xlim()[0], -0.25)
