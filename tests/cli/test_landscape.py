"""`optrun landscape` from the shell."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from runner import menu
from runner.landscape.runs import MOST, names, opened
from runner.store.drawn import command_of
from tests.cli.conftest import Call

BOWL = ("problem=bowl", "epochs=6", "stop=epochs")
IRIS = ("dataset=iris", "architecture.hidden=[5]", "batch_size=40", "epochs=3", "stop=epochs")  # 9 steps
FAST = ("grid=5", "points=4")


def contents(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def first_words(text: str) -> list[str]:
    return [line.partition(":")[0] for line in text.splitlines()]


def test_of_a_problem_in_the_plane_it_leaves_contours_tables_and_a_film_and_changes_nothing_else(
    call: Call, tmp_path: Path
) -> None:
    call("-m", *BOWL, "optimizer=sgd,momentum", "lr=0.1", "hydra.sweep.dir=both", "workers=1")
    before = contents(tmp_path)
    answer = call("landscape", "both", "grid=9")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[0] == "landscape:  bowl · 2 runs from one start · 2 parameters"
    assert "minimum:    0 at (0, 0)" in answer.out
    words = ["landscape", "again", "again", "minimum", "numbers", "numbers", "picture", "picture", "picture"]
    assert first_words(answer.out) == words
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    names = {f"both/landscape{end}" for end in (".csv", ".json", "_paths.csv", ".png", ".svg", ".gif")}
    assert after.keys() - before.keys() == names
    with Image.open(tmp_path / "both" / "landscape.gif") as film:
        assert film.n_frames == 7  # the start and six steps


def test_the_tables_hold_the_losses_and_every_step(call: Call, tmp_path: Path) -> None:
    """Gradient descent on (x1^2 + 10 x2^2) / 2 from (10, 1) with lr = 0.05: x1 by 0.95 a step, x2 by 0.5."""
    call(*BOWL, "optimizer=sgd", "lr=0.05", "precision=float64", "hydra.run.dir=a")
    assert call("landscape", "a", "grid=9").code == 0
    grid = [(float(row["x"]), float(row["y"]), float(row["loss"])) for row in rows(tmp_path / "a" / "landscape.csv")]
    assert len(grid) == 81
    assert all(loss == pytest.approx((x**2 + 10 * y**2) / 2, rel=1e-13) for x, y, loss in grid)
    path = rows(tmp_path / "a" / "landscape_paths.csv")
    assert [int(row["step"]) for row in path] == list(range(7))
    for t, row in enumerate(path):
        assert (float(row["x"]), float(row["y"])) == pytest.approx((10 * 0.95**t, 0.5**t), rel=1e-13)


def test_a_problem_on_a_line_is_a_curve_with_its_wells(call: Call, tmp_path: Path) -> None:
    call("problem=double_well", "optimizer=momentum", "lr=0.01", "epochs=100", "hydra.run.dir=a")
    answer = call("landscape", "a", "grid=51")
    assert answer.code == 0, answer.err
    assert [line for line in answer.out.splitlines() if line.startswith("minimum")] == [
        "minimum:    0 at (-1)",
        "minimum:    0 at (1)",
    ]
    assert list(rows(tmp_path / "a" / "landscape.csv")[0]) == ["x", "loss"]


@pytest.mark.parametrize("directions", ["principal", "filter", "hessian"])
def test_of_a_network_it_leaves_a_line_and_a_plane(directions: str, call: Call, tmp_path: Path) -> None:
    for name in ("sgd", "adam"):
        call(*IRIS, f"optimizer={name}", "lr=0.02", f"hydra.run.dir={name}")
    before = contents(tmp_path)
    answer = call("landscape", "sgd", "adam", f"directions={directions}", "out=seen", *FAST)
    assert answer.code == 0, answer.err
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    made = {name.removeprefix("seen/") for name in after.keys() - before.keys()}
    stem = f"landscape_{directions}"
    line, plane = ({f"{name}.{kind}" for kind in ("csv", "json", "png", "svg")} for name in ("landscape_line", stem))
    assert line | plane | {f"{stem}_paths.csv"} == made - {f"{stem}.gif"}
    command = f"optrun landscape sgd adam directions={directions} out=seen {' '.join(FAST)}"
    assert [command_of(tmp_path / "seen", name) for name in ("landscape_line", stem)] == [command] * 2
    assert ("not drawn" in answer.out) is (f"{stem}.gif" not in made)
    assert "loss:       mean over 106 training and 22 validation examples, without penalty, dropout off" in answer.out
    paths = rows(tmp_path / "seen" / f"{stem}_paths.csv")
    assert [int(row["step"]) for row in paths] == [0, 3, 6, 9] * 2
    last = paths[-1]
    assert [float(last[key]) for key in ("x", "y", "off_plane")] == [0, 0, 0]  # the plane goes through the last end


def test_it_says_that_batch_norm_takes_the_moments_of_the_examples(call: Call) -> None:
    call(*IRIS, "architecture/normalization=batch", "hydra.run.dir=a")
    told = call("landscape", "a", "points=2", "directions=filter", "grid=5", "examples=50").out
    assert "mean over 50 training and 22 validation examples, without penalty, dropout off, batch norm by the" in told
    assert "again" not in first_words(told)  # two points are the two ends


def test_the_loss_at_the_end_is_that_of_the_last_row(call: Call, tmp_path: Path) -> None:
    from runner.store.folder import read_rows

    call(*IRIS, "hydra.run.dir=a")
    call("landscape", "a", "directions=filter", *FAST)
    end = next(row for row in rows(tmp_path / "a" / "landscape_line.csv") if row["alpha"] == "1.0")
    known = read_rows(tmp_path / "a" / "metrics.csv")[-1]["val_loss"]
    assert float(end["val_loss"]) == pytest.approx(known, rel=1e-6)  # float32, summed in another order


def test_runs_are_told_apart_by_what_varies_and_equal_ones_by_their_folders(call: Call, tmp_path: Path) -> None:
    for name, rate in (("a", "0.1"), ("b", "0.05"), ("c", "0.05")):
        call(*BOWL, "optimizer=sgd", "schedule=cosine", f"lr={rate}", f"hydra.run.dir={name}")
    a, b, c = opened([tmp_path / name for name in "abc"], ())
    assert names([a]) == ["sgd"]
    assert names([a, b]) == ["sgd · lr 0.1", "sgd · lr 0.05"]
    assert names([b, c]) == ["sgd (b)", "sgd (c)"]


# ---- what is refused


def refusal(what: str, allowed: str, do: str) -> str:
    return f"optrun: {what} is refused\n  allowed: {allowed}\n  do this: {do}\n"


OTHERS = {
    "data": (
        (*IRIS, "dataset=wine"),
        "dataset here is wine, there iris",
        "train both with dataset of one of them",
    ),
    "network": (
        (*IRIS, "architecture.hidden=[6]"),
        "architecture here is mlp 6, there mlp 5",
        "train both with architecture of one of them",
    ),
    "preprocessing": (
        (*IRIS, "preprocess=none"),
        "preprocess here is none, there standardize",
        "train both with preprocess of one of them",
    ),
    "loss": (
        (*IRIS, "loss=kl"),
        "loss here is kl, there cross_entropy",
        "train both with loss of one of them",
    ),
    "precision": (
        (*IRIS, "precision=float64"),
        "precision here is float64, there float32",
        "train both with precision of one of them",
    ),
    "start": (
        (*IRIS, "seed=1"),
        "their initial parameters differ",
        "train both with one init and one seed: these draw the start, whatever the optimizer",
    ),
}


@pytest.mark.parametrize(("words", "differs", "do"), OTHERS.values(), ids=OTHERS)
def test_runs_of_two_landscapes_are_refused_by_what_differs(
    words: tuple[str, ...], differs: str, do: str, call: Call
) -> None:
    call(*IRIS, "hydra.run.dir=a")
    call(*words, "hydra.run.dir=b")
    answer = call("landscape", "a", "b")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == refusal("b", f"runs in the landscape of a: {differs}", do)


def test_runs_whose_losses_are_summed_and_averaged_are_in_one_landscape(call: Call, tmp_path: Path) -> None:
    call(*IRIS, "hydra.run.dir=a")
    call(*IRIS, "loss.reduction=sum", "hydra.run.dir=b")
    assert len(opened([tmp_path / "a", tmp_path / "b"], ())) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (),
            refusal(
                "landscape", "optrun landscape FOLDER [FOLDER ...] [KEY=VALUE ...]",
                "name the folders of runs that have one start, or of their sweep, as in outputs/...",
            ),
        ),
        (
            ("a", "direction=filter"),
            refusal(
                "direction=filter", "folders, and directions=, points=, grid=, examples=, seed=, out=, plugins=",
                "did you mean directions? `optrun landscape --help` says what they mean",
            ),
        ),
        (
            ("a", "directions=filters"),
            refusal(
                "directions=filters", "principal | filter | hessian or auto",
                "give directions=... one of these; the default is auto",
            ),
        ),
        (
            ("a", "points=1"),
            refusal(
                "points=1", "a whole number in [2, 100000] or auto", "give points=... one of these; the default is auto"
            ),
        ),
        (
            ("a", "grid=4"),
            refusal("grid=4", "a whole number in [5, 1001] or auto", "give grid=... one of these; the default is auto"),
        ),
        (
            ("a", "directions=filter"),
            refusal(
                "directions=filter", "for a run of more than two parameters: others have one plane", "leave it out"
            ),
        ),
        (("-m", "a"), refusal("optrun landscape -m", "folders of runs, or of a sweep", "leave out -m")),
        (
            ("nowhere",),
            refusal(
                "nowhere", "the folder of a run or of a sweep", "name a folder that optrun made, as in outputs/..."
            ),
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(words: tuple[str, ...], message: str, call: Call) -> None:
    call(*BOWL, "hydra.run.dir=a")
    answer = call("landscape", *words)
    assert (answer.code, answer.err) == (2, message)


def test_more_runs_than_there_are_colours_are_refused(call: Call) -> None:
    call("-m", *BOWL, f"lr={','.join(str(k / 100) for k in range(1, MOST + 2))}", "hydra.sweep.dir=many", "workers=1")
    assert call("landscape", "many").err == refusal(
        "9 runs", "at most 8 runs, each with a colour of its own",
        "name those to compare, as in optrun landscape many/0 many/1",
    )  # fmt: skip


def test_a_run_without_a_step_is_refused(call: Call) -> None:
    assert call(*BOWL, "start=[1e30,1e30]", "loss.condition=1e30", "hydra.run.dir=a").code == 3
    assert call("landscape", "a").err == refusal(
        "a", "a run that has made a step and kept it",
        "name another folder; of a run that was cut off, optrun resume makes one",
    )  # fmt: skip


def test_a_run_folder_that_was_changed_is_not_looked_at(call: Call, tmp_path: Path) -> None:
    call(*BOWL, "hydra.run.dir=a")
    path = tmp_path / "a" / "metrics.csv"
    path.write_text(path.read_text().replace("0.", "1."))
    answer = call("landscape", "a")
    assert answer.code == 6
    assert "does not hold what was committed" in answer.err


def test_the_page_explains_every_key(call: Call) -> None:
    page = call("landscape", "--help").out
    assert page == menu.landscape_page(100) + "\n"
    from runner.command.landscape import OWN

    assert all(f"\n  {key}=" in page for key in OWN)
    assert max(map(len, menu.landscape_page(80).splitlines())) <= 80


def test_a_run_that_diverged_is_seen_beside_others_and_alone_is_refused(call: Call) -> None:
    call(*IRIS, "optimizer=sgd", "hydra.run.dir=well")
    assert call(*IRIS, "optimizer=sgd", "lr=1e8", "hydra.run.dir=lost").code == 3
    answer = call("landscape", "well", "lost", "grid=5")
    assert answer.code == 0, answer.err
    assert [line[:17] for line in answer.out.splitlines() if line.startswith("line")] == ["line:       sgd ·"]
    assert call("landscape", "lost").err == refusal(
        "lost", "a run that did not diverge, through whose end a plane can go", "name one beside it, or another folder"
    )
