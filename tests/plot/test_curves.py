"""The picture of one run, from literal rows to bytes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from runner.core.errors import CorruptError, DiskError
from runner.plot import base, curves

HEADER = "epoch,step,examples,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm"


def row(epoch: int, train: float, val: float, lr: float = 0.1, accuracy: float = 0.5) -> str:
    return f"{epoch},{epoch * 10},{epoch * 100},{lr},{train},{val},{accuracy},{accuracy - 0.1},1.0"


GOOD = [row(1, 2.0, 2.1), row(2, 1.0, 1.5), row(3, 0.5, 1.2), row(4, 0.4, 1.4)]


def folder(
    at: Path, rows: list[str], title: str = "digits · adam", header: str = HEADER, summary: dict[str, str] | None = None
) -> Path:
    (at / "manifest.json").write_text(json.dumps({"title": title, "metrics": {"accuracy": "max"}}))
    (at / "metrics.csv").write_text("".join(line + "\n" for line in [header, *rows]))
    if summary:
        (at / "summary.json").write_text(json.dumps(summary))
    return at


def drawn(at: Path) -> Figure:
    with base.look():
        return curves.figure(curves.read(at))


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title("left"): axes for axes in figure.axes}


def texts(figure: Figure) -> str:
    found = [text.get_text() for text in figure.texts]
    return "\n".join([*found, *(text.get_text() for axes in figure.axes for text in axes.texts)])


def line(axes: Axes, label: str) -> tuple[list[float], list[float]]:
    found = next(each for each in axes.lines if each.get_label() == label)
    return points(found)


def points(line: Line2D) -> tuple[list[float], list[float]]:
    x, y = np.asarray(line.get_xydata()).T.tolist()
    return x, y


def test_both_pictures_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    before = set(folder(tmp_path, GOOD).iterdir())
    assert curves.draw(tmp_path) == [tmp_path / "curves.png", tmp_path / "curves.svg"]
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"curves.png", "curves.svg"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert ET.fromstring((tmp_path / "curves.svg").read_text()).tag.endswith("svg")


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in curves.draw(folder(tmp_path, GOOD))]
    assert [path.read_bytes() for path in curves.draw(tmp_path)] == first


def test_the_users_matplotlibrc_changes_nothing_and_is_put_back(tmp_path: Path) -> None:
    import matplotlib

    first = [path.read_bytes() for path in curves.draw(folder(tmp_path, GOOD))]
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert [path.read_bytes() for path in curves.draw(tmp_path)] == first
        assert matplotlib.rcParams["font.size"] == 30


def test_one_epoch_is_a_visible_point_on_a_whole_epoch(tmp_path: Path) -> None:
    loss = panels(drawn(folder(tmp_path, GOOD[:1])))["loss"]
    markers = [each.get_marker() for each in loss.lines if each.get_label() in ("train", "validation")]
    assert markers == ["o", "o"]
    assert [label.get_text() for label in loss.get_xticklabels()] == ["1"]


def test_a_run_without_a_completed_epoch_says_so(tmp_path: Path) -> None:
    assert "no epoch was completed" in texts(drawn(folder(tmp_path, [])))
    curves.draw(tmp_path)


def test_a_column_of_nan_is_left_out_and_the_other_is_drawn(tmp_path: Path) -> None:
    rows = [row(k, 1 / k, math.nan) for k in (1, 2, 3)]
    figure = drawn(folder(tmp_path, rows))
    assert [name for each in panels(figure)["loss"].lines if (name := str(each.get_label()))[0] != "_"] == ["train"]
    assert "best" not in texts(figure)
    assert "not finite" not in texts(figure)
    curves.draw(tmp_path)


def test_all_columns_of_nan_can_be_drawn(tmp_path: Path) -> None:
    curves.draw(folder(tmp_path, [row(k, math.nan, math.nan, math.nan, math.nan) for k in (1, 2)]))


def test_a_nan_between_two_epochs_is_not_measured_and_the_line_goes_on(tmp_path: Path) -> None:
    rows = [row(1, 1, 2.0), row(2, 1, math.nan), row(3, 1, 1.0)]
    assert line(panels(drawn(folder(tmp_path, rows)))["loss"], "validation") == ([1, 3], [2.0, 1.0])


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_the_epoch_where_the_loss_is_lost_is_a_cross_at_the_top(tmp_path: Path, value: str) -> None:
    rows = [*GOOD, row(5, float(value), float(value))]
    figure = drawn(
        folder(tmp_path, rows, summary={"status": "diverged", "verdict": "the training loss became " + value})
    )
    cross = next(each for each in panels(figure)["loss"].lines if each.get_marker() == "x")
    assert points(cross)[0] == [5]
    assert points(cross)[1][0] > 0.9  # of the height of the panel
    assert f"diverged: the training loss became {value}" in texts(figure)


def test_a_diverged_run_whose_rows_are_all_finite_has_its_cross_at_the_last_one(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, GOOD, summary={"status": "diverged", "verdict": "x"}))
    assert [points(each)[0] for each in panels(figure)["loss"].lines if each.get_marker() == "x"] == [[4]]


@pytest.mark.parametrize(("status", "told"), [("interrupted", 1), ("failed", 1), ("completed", 0), ("running", 0)])
def test_a_status_is_told_where_it_says_that_the_run_did_not_end_well(tmp_path: Path, status: str, told: int) -> None:
    figure = drawn(folder(tmp_path, GOOD, summary={"status": status, "verdict": "because of this"}))
    assert texts(figure).count(f"{status}: because of this") == told


def test_the_lowest_finite_validation_loss_is_the_best_epoch(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, [*GOOD, row(5, 0.3, math.nan), row(6, 0.3, 1.3)]))
    assert "best 1.2\nepoch 3" in texts(figure)
    assert "40.0 %" in texts(figure)  # the metric of that epoch: 0.5 - 0.1


@pytest.mark.parametrize("title", ["costs 5$ and 6$", r"$\frac{1}{2}$ a_b^2", "<b>&amp;</b> %s {x}", "a--b -->"])
def test_a_title_is_shown_as_it_was_typed(tmp_path: Path, title: str) -> None:
    figure = drawn(folder(tmp_path, GOOD, title=title))
    assert figure.texts[0].get_text() == title
    assert not figure.texts[0].get_parse_math()
    curves.draw(tmp_path)
    ET.fromstring((tmp_path / "curves.svg").read_text())


def test_control_characters_in_a_title_are_shown_as_escapes(tmp_path: Path) -> None:
    assert drawn(folder(tmp_path, GOOD, title="a\x1b[31m\n\x00b")).texts[0].get_text() == r"a\x1b[31m\n\x00b"
    curves.draw(tmp_path)
    ET.fromstring((tmp_path / "curves.svg").read_text())


def test_a_letter_that_the_font_lacks_raises_no_warning(tmp_path: Path) -> None:
    curves.draw(folder(tmp_path, GOOD, title="数字 \U0001f600"))


@pytest.mark.parametrize("title", ["word " * 200, "w" * 1000])
def test_a_long_title_is_wrapped_and_never_leaves_the_page(tmp_path: Path, title: str) -> None:
    figure = drawn(folder(tmp_path, GOOD, title=title))
    shown = [text for text in figure.texts if text.get_fontweight() == "bold"]
    assert "".join(text.get_text() for text in shown).replace(" ", "") == title.replace(" ", "")
    edge = figure.get_window_extent()
    for text in shown:
        box = text.get_window_extent()
        assert edge.x0 <= box.x0
        assert box.x1 <= edge.x1
        assert edge.y0 <= box.y0
    # The page has grown: the panels are as high as under a short title, and below the lowest line.
    assert figure.axes[0].get_window_extent().height > 3 * base.DPI
    assert min(text.get_window_extent().y0 for text in shown) > max(a.get_window_extent().y1 for a in figure.axes)


def test_no_text_is_cut_off_at_the_edge_of_the_page(tmp_path: Path) -> None:
    rows = [row(k, 1000.0 / k, 1234.5 / k, lr=1e-5 * k) for k in range(1, 40)]
    figure = drawn(folder(tmp_path, rows))
    figure.canvas.draw()
    edge = figure.get_window_extent()
    for axes in figure.axes:
        labels = [*axes.texts, *axes.get_yticklabels(), *axes.get_xticklabels(), axes.xaxis.label]
        for box in (text.get_window_extent() for text in labels if text.get_text()):
            assert edge.x0 <= box.x0
            assert box.x1 <= edge.x1


def test_thinning_keeps_first_last_lowest_and_highest() -> None:
    x = np.arange(1_000_000.0)
    y = np.sin(x / 1e5)
    y[654_321], y[123_456] = 9.0, -9.0
    few_x, few_y = base.thin(x, y)
    assert len(few_x) <= 2400
    assert (few_x[0], few_x[-1]) == (0, 999_999)
    assert few_x[few_y.argmax()] == 654_321
    assert few_x[few_y.argmin()] == 123_456
    assert (np.diff(few_x) > 0).all()


def test_few_points_are_not_thinned() -> None:
    x = np.arange(2400.0)
    assert base.thin(x, x)[0] is x


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([0.1, 1.01], True),
        ([0.1, 1.0], False),
        ([0.0, 100.0], False),
        ([-1.0, 100.0], False),
        ([0.1, math.nan, math.inf, 0.2], False),
        ([math.nan], False),
        ([], False),
    ],
)
def test_a_scale_is_logarithmic_if_positive_values_span_more_than_a_factor_of_ten(
    values: list[float], log: bool
) -> None:
    assert base.is_log(np.array(values)) is log


def test_the_loss_follows_the_rule_for_its_scale_and_an_accuracy_stays_linear(tmp_path: Path) -> None:
    rows = [row(1, 2.0, 2.0, accuracy=0.12), row(2, 0.1, 0.2, accuracy=0.99)]
    found = panels(drawn(folder(tmp_path, rows)))
    assert [found[name].get_yscale() for name in ("loss", "accuracy, %")] == ["log", "linear"]


def test_a_constant_learning_rate_is_a_line_of_text_and_a_moving_one_a_panel(tmp_path: Path) -> None:
    constant = drawn(folder(tmp_path, GOOD))
    assert "constant learning rate 0.1" in texts(constant)
    assert "learning rate" not in panels(constant)
    moving = drawn(folder(tmp_path, [row(k, 1.0, 1.0, lr=10.0**-k) for k in (1, 2, 3)]))
    assert "constant" not in texts(moving)
    assert panels(moving)["learning rate"].get_yscale() == "log"


def test_a_probe_has_a_panel_of_its_own(tmp_path: Path) -> None:
    rows = [f"{each},{k}.5" for k, each in enumerate(GOOD)]
    found = panels(drawn(folder(tmp_path, rows, header=HEADER + ",distance_from_start")))
    assert list(found) == ["loss", "accuracy, %", "distance from start"]


def test_numbers_near_the_end_of_the_floats_can_be_drawn(tmp_path: Path) -> None:
    curves.draw(folder(tmp_path, [row(1, 1e-320, 1e-300), row(2, 1e307, 1.7e308), row(3, 1e308, 1e308)]))
    curves.draw(folder(tmp_path, [row(1, 1e308, 1.1e308), row(2, -1e299, 1e299)]))


def test_a_last_line_without_its_end_is_left_out(tmp_path: Path) -> None:
    with (folder(tmp_path, GOOD) / "metrics.csv").open("a") as file:
        file.write("5,50,500,0.1,0.00")
    assert list(curves.read(tmp_path).epochs) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,2"], "metrics.csv, line 2: 2 fields, the header has 9"),
        (
            [GOOD[0].replace("2.0", "two")],
            "metrics.csv, line 2: not all fields are numbers: 1,10,100,0.1,two,2.1,0.5,0.4,1.0",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_line(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(CorruptError) as refused:
        curves.draw(folder(tmp_path, rows))
    assert str(refused.value) == f"{tmp_path}/{message}"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptError) as refused:
        curves.draw(folder(tmp_path, ["1"], header="epoch"))
    missing = "lr, train_loss, val_loss, train_accuracy, val_accuracy"
    assert str(refused.value) == f"{tmp_path}/metrics.csv: no column {missing}; it has epoch"


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError) as refused:
        curves.draw(tmp_path)
    assert str(refused.value) == f"{tmp_path}/manifest.json cannot be read: No such file or directory"


@pytest.mark.parametrize("broken", ["png", "svg"])
def test_the_old_pictures_stay_if_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    before = [path.read_bytes() for path in curves.draw(folder(tmp_path, GOOD))]
    folder(tmp_path, GOOD[:2])
    whole = Figure.savefig

    def savefig(self: Figure, file: object, *, format: str, **rest: object) -> None:
        if format == broken:
            raise MemoryError
        whole(self, file, format=format, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.raises(MemoryError):
        curves.draw(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("curves.png", "curves.svg")] == before
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_leaves_the_old_pictures_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path.read_bytes() for path in curves.draw(folder(tmp_path, GOOD))]
    folder(tmp_path, GOOD[:2])
    whole = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if ".svg" in self.name:
            whole(self, data[:10])
            raise OSError(28, "No space left on device")
        return whole(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(DiskError) as refused:
        curves.draw(tmp_path)
    assert str(refused.value) == f"{tmp_path}: the picture curves cannot be written: No space left on device"
    assert [(tmp_path / name).read_bytes() for name in ("curves.png", "curves.svg")] == before
    assert not list(tmp_path.glob(".*"))


def test_drawing_a_run_imports_neither_pyplot_nor_pandas_nor_torch(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from runner.plot import curves; curves.draw(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('matplotlib.pyplot', 'pandas', 'torch') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(folder(tmp_path, GOOD))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_train_and_validation_differ_in_lightness_and_in_dash(tmp_path: Path) -> None:
    from matplotlib.colors import to_rgb

    grey = [float(np.dot((0.299, 0.587, 0.114), to_rgb(colour))) for colour in (base.TRAIN, base.VALIDATION)]
    assert abs(grey[0] - grey[1]) > 0.3  # of the way from black to white
    lines = [
        each
        for each in panels(drawn(folder(tmp_path, GOOD)))["loss"].lines
        if each.get_label() in ("train", "validation")
    ]
    assert [each.get_linestyle() for each in lines] == ["--", "-"]
