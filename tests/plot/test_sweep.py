"""The picture of a sweep, from literal tables to bytes."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from runner.core.errors import CorruptError, DiskError
from runner.plot import base, sweep
from runner.plot.panel.base import OPTIMIZERS, STYLES, Sweep, style_slots

Level = Callable[[dict[str, str]], float]
AGAINST = "validation loss:  ● best   ○ final"


def folder(at: Path, axes: dict[str, list[str]], level: Level, epochs: int = 3, title: str = "digits · mlp") -> Path:
    """A sweep whose run falls from level + 2 to level; it diverges after its first epoch where the level is infinite,
    and fails without a row where it is NaN."""
    table, jobs = [["job", "dir", *axes, "status", "epochs_done", "best_val_loss", "final_val_loss", "verdict"]], []
    for job, combination in enumerate(itertools.product(*axes.values())):
        values = dict(zip(axes, combination, strict=True))
        end = level(values)
        losses = [end + 2 / epoch - 2 / epochs for epoch in range(1, epochs + 1)]
        status = "diverged" if math.isinf(end) else "failed" if math.isnan(end) else "completed"
        if status == "diverged":
            losses = [3.0, math.inf]
        if status != "failed":
            run = at / str(job)
            run.mkdir()
            lines = [f"{epoch},{loss},{loss}\n" for epoch, loss in enumerate(losses, start=1)]
            (run / "metrics.csv").write_text("epoch,train_loss,val_loss\n" + "".join(lines))
        best, final = {"diverged": ("3.0", ""), "failed": ("", "")}.get(status, (str(end), str(end + 0.1)))
        table.append([str(job), str(job), *combination, status, str(len(losses)), best, final, "x"])
        jobs.append({"job": job, "dir": str(job), "overrides": [f"{k}={v}" for k, v in values.items()]})
    (at / "sweep.csv").write_text("".join(",".join(row) + "\n" for row in table))
    plan = {"format": 1, "axes": axes, "jobs": jobs, "metrics": {"accuracy": "max"}, "title": title}
    (at / "sweep.json").write_text(json.dumps(plan))
    return at


def drawn(at: Path) -> Figure:
    with base.look():
        return sweep.figure(sweep.read(at))


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title("left"): axes for axes in figure.axes}


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def points(line: Line2D) -> tuple[list[float], list[float]]:
    x, y = np.asarray(line.get_xydata()).T.tolist()
    return x, y


def crosses(axes: Axes) -> list[float]:
    return [x for line in axes.lines if line.get_marker() == "x" for x in points(line)[0]]


def strong(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_linewidth() == 2.2]


LR = {"lr": ["0.1", "0.01", "0.001"]}
OPTIMIZER = {"optimizer": ["sgd", "adam"]}
SEED = {"seed": ["0", "1", "2"]}


def test_both_pictures_are_written_and_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = sweep.draw(folder(tmp_path, OPTIMIZER | LR | SEED, lambda v: float(v["lr"]) + 0.1 * int(v["seed"])))
    assert paths == [tmp_path / "sweep.png", tmp_path / "sweep.svg"]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in sweep.draw(tmp_path)] == first
    ET.fromstring(first[1].decode())


@pytest.mark.parametrize(
    ("axes", "comparison"),
    [
        (LR, AGAINST),
        (LR | OPTIMIZER | SEED, AGAINST),
        (LR | {"optimizer.weight_decay": ["0", "1e-2"]}, "best validation loss"),
        (OPTIMIZER, "best validation loss"),
        (SEED, "best validation loss"),
        ({"lr": ["0.1"]}, "best validation loss"),
    ],
)
def test_the_comparison_is_chosen_by_the_axes(tmp_path: Path, axes: dict[str, list[str]], comparison: str) -> None:
    figure = drawn(folder(tmp_path, axes, lambda v: 1.0))
    assert list(panels(figure)) == ["validation loss", comparison]
    cells = [mesh for mesh in figure.axes[1].collections if isinstance(mesh, QuadMesh)]
    assert bool(cells) is ("optimizer.weight_decay" in axes)


def test_runs_that_differ_only_in_the_seed_are_one_mean_with_a_band_from_lowest_to_highest(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, OPTIMIZER | SEED, lambda v: 1.0 + int(v["seed"]), epochs=1))
    curves = figure.axes[0]
    assert [points(line) for line in strong(curves)] == [([1.0], [2.0])] * 2
    bands = [
        collection.get_paths()[0].vertices for collection in curves.collections if len(collection.get_paths()) == 1
    ]
    assert {(float(band[:, 1].min()), float(band[:, 1].max())) for band in np.array(bands)} == {(1.0, 3.0)}
    assert "line: mean of 3 seeds, band: lowest to highest" in figure.texts[1].get_text()


def test_the_bar_at_a_mean_over_seeds_is_its_95_percent_interval(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, LR | SEED, lambda v: 1.0 + int(v["seed"])))
    (bars,) = [each for each in figure.axes[1].collections if isinstance(each, LineCollection)]
    # The seeds give 1, 2 and 3: s = 1, and t = 4.302653 with two degrees of freedom.
    half = 4.302653 / math.sqrt(3)
    for (_, low), (_, high) in bars.get_segments():
        assert (low, high) == pytest.approx((2 - half, 2 + half), rel=1e-6)  # the digits that are given here
    assert "bar: 95 % interval of the mean" in figure.texts[1].get_text()


def costly(at: Path, job: int, gradients: int) -> None:
    """Let a run of `folder` have asked for so many gradients of each of its 50 examples in an epoch."""
    path = at / str(job) / "metrics.csv"
    header, *lines = path.read_text().splitlines()
    asked = [gradients * 50 * epoch for epoch in range(1, len(lines) + 1)]
    rows = [f"{line},{count},{count},0" for line, count in zip(lines, asked, strict=True)]
    path.write_text("\n".join([f"{header},forward,backward,hvp", *rows]) + "\n")
    (at / str(job) / "manifest.json").write_text(json.dumps({"rows": {"train": 50}}))


def test_where_an_epoch_of_one_costs_more_the_curves_lie_over_what_they_cost(tmp_path: Path) -> None:
    at = folder(tmp_path, OPTIMIZER | {"seed": ["0", "1"]}, lambda v: math.inf if v["seed"] == "1" else 1.0)
    for job, gradients in enumerate((1, 1, 2, 2)):
        costly(at, job, gradients)
    axes = panels(drawn(at))["validation loss"]
    assert axes.get_xlabel() == "cost, in gradients of all training examples"
    assert sorted(points(line)[0] for line in strong(axes)) == [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
    assert sorted(crosses(axes)) == [2.0, 4.0]  # each lost in its second epoch


def test_where_all_epochs_cost_the_same_or_nobody_knows_the_curves_lie_over_epochs(tmp_path: Path) -> None:
    at = folder(tmp_path, OPTIMIZER, lambda v: 1.0)
    assert panels(drawn(at))["validation loss"].get_xlabel() == "epoch"
    costly(at, 0, 2)
    assert panels(drawn(at))["validation loss"].get_xlabel() == "epoch"
    costly(at, 1, 2)
    assert panels(drawn(at))["validation loss"].get_xlabel() == "epoch"


def test_a_key_that_ends_in_seed_is_a_seed(tmp_path: Path) -> None:
    found = sweep.read(folder(tmp_path, {"dataset.split_seed": ["0", "1"]} | LR, lambda v: 1.0))
    assert (found.seeds, found.live) == (("dataset.split_seed",), ("lr",))


def test_a_run_that_diverged_is_a_cross_and_not_in_the_mean(tmp_path: Path) -> None:
    level: Level = lambda v: math.inf if v == {"lr": "0.1", "seed": "2"} else 1.0 + int(v["seed"])  # noqa: E731
    figure = drawn(folder(tmp_path, LR | SEED, level))
    curves, against = figure.axes
    assert crosses(curves) == [2]  # the epoch in which it was lost
    assert crosses(against) == [0.1]
    # Above every curve, so that it cannot be taken for one of their points: the highest starts at 3 + 2 - 2/3.
    assert curves.transLimits.transform((1, 3 + 2 - 2 / 3))[1] < 0.9
    assert "1 of 3" in words(against)
    best = dict(zip(*points(strong(against)[0]), strict=True))
    assert best == {0.001: 2.0, 0.01: 2.0, 0.1: 1.5}
    assert "8 completed, 1 diverged (×) · " in figure.texts[1].get_text()
    assert "line: mean of 3 seeds without diverged ones, band: lowest to highest" in figure.texts[1].get_text()


def test_crosses_at_one_value_are_stacked_and_not_hidden_behind_each_other(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, OPTIMIZER | LR, lambda v: math.inf if v["lr"] == "0.1" else 1.0))
    found = [points(line) for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert [x for x, _ in found] == [[0.1], [0.1]]
    assert found[0][1] != found[1][1]


def test_a_setting_with_a_diverged_seed_is_not_the_best_of_its_group(tmp_path: Path) -> None:
    def level(v: dict[str, str]) -> float:
        return {"0.1": 0.1 if v["seed"] == "0" else math.inf, "0.01": 1.0, "0.001": 2.0}[v["lr"]]

    assert legend(drawn(folder(tmp_path, OPTIMIZER | LR | SEED, level))) == ["sgd at lr 0.01", "adam at lr 0.01"]


def test_one_line_for_each_optimizer_over_a_logarithmic_learning_rate(tmp_path: Path) -> None:
    level: Level = lambda v: float(v["lr"]) * (2 if v["optimizer"] == "adam" else 30)  # noqa: E731
    figure = drawn(folder(tmp_path, OPTIMIZER | LR, level))
    against = figure.axes[1]
    assert [points(line)[0] for line in strong(against)] == [[0.001, 0.01, 0.1]] * 2
    assert against.get_xscale() == "log"
    assert [label.get_text() for label in against.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert legend(figure) == ["adam at lr 0.001", "sgd at lr 0.001"]  # the better one first


def test_a_number_that_is_no_learning_rate_is_linear_up_to_a_decade(tmp_path: Path) -> None:
    narrow = drawn(folder(tmp_path, {"width": ["8", "16", "32"]}, lambda v: 1.0)).axes[1]
    assert narrow.get_xscale() == "linear"
    (tmp_path / "wide").mkdir()
    assert drawn(folder(tmp_path / "wide", {"width": ["8", "128"]}, lambda v: 1.0)).axes[1].get_xscale() == "log"


def test_best_and_final_loss_are_both_shown(tmp_path: Path) -> None:
    against = drawn(folder(tmp_path, LR, lambda v: 1.0)).axes[1]
    found = {line.get_linestyle(): points(line)[1] for line in against.lines if len(points(line)[0]) == 3}
    assert found == {"-": [1.0] * 3, ":": [1.1] * 3}


def test_the_heat_map_has_means_over_seeds_and_marks_what_diverged(tmp_path: Path) -> None:
    def level(v: dict[str, str]) -> float:
        if v["lr"] == "0.1":
            return math.inf
        return float(v["momentum"]) + int(v["seed"])

    figure = drawn(folder(tmp_path, LR | {"momentum": ["0.5", "0.9"]} | SEED, level))
    heat = figure.axes[1]
    assert sorted(words(heat)) == sorted(["1.5", "1.5", "1.9", "1.9", "diverged", "diverged"])
    (hatched,) = [each for each in heat.collections if each.get_hatch()]
    assert [np.array(path.vertices)[0].tolist() for path in hatched.get_paths()] == [[2.0, 0.0], [2.0, 1.0]]
    assert [label.get_text() for label in heat.get_xticklabels()] == ["0.001", "0.01", "0.1"]


def test_further_axes_of_a_heat_map_are_at_their_best(tmp_path: Path) -> None:
    axes = LR | {"momentum": ["0.5", "0.9"]} | OPTIMIZER
    figure = drawn(folder(tmp_path, axes, lambda v: 1.0 if v["optimizer"] == "adam" else 2.0))
    assert words(figure.axes[1]) == ["1"] * 6
    assert figure.axes[1].get_xlabel() == "lr   (best over optimizer)"


def test_words_are_ranked_from_the_best_to_the_worst_with_the_diverged_ones_last(tmp_path: Path) -> None:
    axes = {"optimizer": ["sgd", "momentum", "adam", "mine"]}
    order = {"sgd": math.inf, "momentum": 0.3, "adam": 0.1, "mine": 0.2}
    ranking = drawn(folder(tmp_path, axes, lambda v: order[v["optimizer"]])).axes[1]
    assert [label.get_text() for label in ranking.get_yticklabels()] == ["adam", "mine", "momentum", "sgd"]
    assert words(ranking) == ["0.1", "0.2", "0.3", "diverged ×"]


def test_settings_of_two_axes_of_words_are_ranked_across_the_groups(tmp_path: Path) -> None:
    level = {("sgd", "a"): 0.1, ("adam", "a"): 0.2, ("adam", "b"): 0.3, ("sgd", "b"): 0.4}
    axes = {"optimizer": ["sgd", "adam", *(f"o{k}" for k in range(3))], "init": ["a", "b"]}
    ranking = drawn(folder(tmp_path, axes, lambda v: level.get((v["optimizer"], v["init"]), 1.0))).axes[1]
    assert [label.get_text() for label in ranking.get_yticklabels()][:4] == ["sgd, a", "adam, a", "adam, b", "sgd, b"]


def test_an_optimizer_has_its_style_whatever_else_is_in_the_figure() -> None:
    assert style_slots(["adam"])["adam"] == style_slots(["mine", "sgd", "adam", "momentum"])["adam"]
    assert style_slots(["mine", "sgd"]) == {"sgd": 0, "mine": 1}
    together = style_slots(list(OPTIMIZERS[: len(STYLES)]))
    assert sorted(together.values()) == list(range(len(STYLES)))


def test_two_optimizers_with_one_style_are_told_apart() -> None:
    clash = style_slots([OPTIMIZERS[0], OPTIMIZERS[len(STYLES)]])
    assert clash == {OPTIMIZERS[0]: 0, OPTIMIZERS[len(STYLES)]: 1}


def test_styles_differ_in_colour_and_in_dash_or_marker() -> None:
    assert len({colour for colour, _, _ in STYLES}) == len({marker for _, _, marker in STYLES}) == len(STYLES)


def test_a_run_that_failed_without_a_row_is_counted_and_has_no_curve(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, LR, lambda v: math.nan if v["lr"] == "0.1" else 1.0))
    assert "3 runs: 2 completed, 1 failed" in figure.texts[1].get_text()
    assert points(strong(figure.axes[1])[0])[0] == [0.001, 0.01]
    assert crosses(figure.axes[1]) == []


def test_an_axis_called_like_a_column_of_results_is_read_as_the_axis(tmp_path: Path) -> None:
    found = sweep.read(folder(tmp_path, {"epochs": ["10", "20"]}, lambda v: 1.0))  # the runs had 3 epochs
    assert found.values("epochs") == ["10", "20"]


def test_an_axis_with_one_value_is_a_note(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, LR | {"optimizer.mu": ["0.9"]}, lambda v: 1.0))
    assert figure.texts[1].get_text() == "3 runs: 3 completed · mu 0.9"


def test_runs_of_different_length_have_a_mean_as_long_as_all_run_and_then_go_on_alone(tmp_path: Path) -> None:
    folder(tmp_path, {"seed": ["0", "1"]}, lambda v: 1.0, epochs=5)
    lines = (tmp_path / "0" / "metrics.csv").read_text().splitlines(keepends=True)
    (tmp_path / "0" / "metrics.csv").write_text("".join(lines[:4]))
    curves = drawn(tmp_path).axes[0]
    assert points(strong(curves)[0])[0] == [1, 2, 3]
    segments = [path.vertices for each in curves.collections for path in each.get_paths()]
    assert any(np.array(segment)[:, 0].tolist() == [3, 4, 5] for segment in segments)


@pytest.mark.parametrize("axes", [LR, OPTIMIZER, SEED, LR | {"momentum": ["0", "0.9"]}, LR | OPTIMIZER | SEED])
@pytest.mark.parametrize("level", [math.inf, math.nan])
def test_a_sweep_in_which_nothing_completed_can_be_drawn(
    tmp_path: Path, axes: dict[str, list[str]], level: float
) -> None:
    assert len(sweep.draw(folder(tmp_path, axes, lambda v: level))) == 2


def test_a_sweep_of_one_job_and_one_without_a_job_can_be_drawn(tmp_path: Path) -> None:
    sweep.draw(folder(tmp_path, {}, lambda v: 1.0))
    (tmp_path / "sweep.csv").write_text("job,dir,status,best_val_loss,final_val_loss\n")
    assert drawn(tmp_path).texts[1].get_text() == "no run yet"
    sweep.draw(tmp_path)


def test_of_a_large_sweep_some_curves_are_read_evenly_by_rank_and_the_best_ones_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path, {"lr": [str(k) for k in range(1, 1001)]}, lambda v: float(v["lr"]))
    read: list[str] = []

    def read_columns(path: Path, needed: tuple[str, ...]) -> dict[str, base.Values]:
        read.append(path.parent.name)
        return base.read_columns(path, needed)

    monkeypatch.setattr(sweep, "read_columns", read_columns)
    figure = drawn(tmp_path)
    assert {"0", "250", "999"} <= set(read)  # the champions: of a long axis the ends, some between, and the best
    assert len(read) == 305
    ranks = sorted(map(int, read))
    assert max(b - a for a, b in itertools.pairwise(ranks)) == 4
    assert (
        figure.texts[1].get_text() == "1000 runs: 1000 completed · thin: 300 of the 995 other settings, evenly by rank"
    )


def test_of_a_setting_with_very_many_seeds_the_curve_is_of_some_and_says_so(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, {"seed": [str(k) for k in range(600)]}, lambda v: 1.0 + int(v["seed"])))
    assert "line: mean of 300 of 600 seeds, band: lowest to highest" in figure.texts[1].get_text()
    assert points(strong(figure.axes[0])[0])[1][-1] == pytest.approx(300.5, abs=1)  # 300 ranks, rounded


def test_a_setting_of_which_a_run_failed_is_not_the_best_of_its_group(tmp_path: Path) -> None:
    def level(v: dict[str, str]) -> float:
        return {"0.1": 0.1 if v["seed"] == "0" else math.nan, "0.01": 1.0, "0.001": 2.0}[v["lr"]]

    assert legend(drawn(folder(tmp_path, OPTIMIZER | LR | SEED, level))) == ["sgd at lr 0.01", "adam at lr 0.01"]


def test_a_heat_map_without_room_for_numbers_says_what_its_shades_are(tmp_path: Path) -> None:
    axes = {"lr": [f"{2.0**-k}" for k in range(12)], "momentum": [f"0.{k}" for k in range(1, 7)]}
    heat = drawn(folder(tmp_path, axes, lambda v: 1.0 if v["lr"] == "0.5" else 2.0)).axes[1]
    assert heat.get_title("left") == "best validation loss: 1 (dark) to 2"
    assert words(heat) == []


def test_the_legend_of_five_hundred_runs_stays_short(tmp_path: Path) -> None:
    axes = {"optimizer": [f"o{k}" for k in range(50)], "init": [f"i{k}" for k in range(10)]}
    figure = drawn(folder(tmp_path, axes, lambda v: 1.0 + int(v["optimizer"][1:])))
    assert legend(figure) == [f"o{k} at init i0" for k in (0, 6, 1, 7, 2, 3, 4, 5)]  # matplotlib lists it by columns
    assert len(figure.axes[1].get_yticklabels()) == 14
    assert "grey: 42 more" in figure.texts[1].get_text()


def test_a_long_axis_of_numbers_names_its_ends_and_the_best(tmp_path: Path) -> None:
    axes = {"lr": [f"{2.0**-k}" for k in range(30)]}
    entries = legend(drawn(folder(tmp_path, axes, lambda v: 1.0 if v["lr"] == "0.5" else 2.0)))
    assert {f"lr {2.0**-29}", "lr 0.5", "lr 1.0"} <= set(entries)
    assert len(entries) <= 6


def test_no_text_is_cut_off_at_the_edge_of_the_page(tmp_path: Path) -> None:
    long = "a_very_long_name_of_a_choice_that_somebody_has_made_for_a_reason"
    figure = drawn(
        folder(tmp_path, {"optimizer": [long, long + "_2"], "init": [long, "x"]}, lambda v: 1.0, title=long * 5)
    )
    figure.canvas.draw()
    edge = figure.get_window_extent()
    texts = [*figure.texts, *(text for each in figure.legends for text in each.get_texts())]
    for axes in figure.axes:
        texts += [*axes.texts, *axes.get_yticklabels(), *axes.get_xticklabels(), axes.xaxis.label]
    for box in (text.get_window_extent() for text in texts if text.get_text()):
        assert edge.x0 <= box.x0
        assert box.x1 <= edge.x1


def test_dollars_in_titles_and_values_are_shown_as_typed(tmp_path: Path) -> None:
    figure = drawn(folder(tmp_path, {"optimizer": ["$a$", "b_c"]}, lambda v: 1.0, title="5$ and 6$"))
    assert figure.texts[0].get_text() == "5$ and 6$"
    assert legend(figure) == ["$a$", "b_c"]
    assert not any(text.get_parse_math() for text in [*figure.texts, *figure.axes[1].get_yticklabels()])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder(tmp_path, LR, lambda v: 1.0)
    (tmp_path / "sweep.csv").write_text("job,dir\n")
    with pytest.raises(CorruptError) as refused:
        sweep.draw(tmp_path)
    expected = "no column lr, status, best_val_loss, final_val_loss; it has job, dir"
    assert str(refused.value) == f"{tmp_path}/sweep.csv: {expected}"


def test_a_folder_that_holds_no_sweep_is_refused_and_its_pictures_stay(tmp_path: Path) -> None:
    before = [path.read_bytes() for path in sweep.draw(folder(tmp_path, LR, lambda v: 1.0))]
    (tmp_path / "sweep.csv").unlink()
    with pytest.raises(DiskError) as refused:
        sweep.draw(tmp_path)
    assert str(refused.value) == f"{tmp_path}/sweep.csv cannot be read: No such file or directory"
    assert [(tmp_path / name).read_bytes() for name in ("sweep.png", "sweep.svg")] == before


def test_drawing_a_sweep_imports_neither_pyplot_nor_torch(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from runner.plot import sweep; sweep.draw(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('matplotlib.pyplot', 'pandas', 'torch') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(folder(tmp_path, LR, lambda v: 1.0))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_numbers_are_sorted_and_words_keep_the_order_of_the_sweep(tmp_path: Path) -> None:
    found: Sweep = sweep.read(folder(tmp_path, {"lr": ["1e-1", "10", "1e-3"], "optimizer": ["z", "a"]}, lambda v: 1.0))
    assert found.values("lr") == ["1e-3", "1e-1", "10"]
    assert found.values("optimizer") == ["z", "a"]
