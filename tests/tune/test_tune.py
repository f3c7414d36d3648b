"""`optrun tune` as a user has it: what it leaves, what it says, how it goes on."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner import menu
from runner.store.lock import locked
from runner.tune.base import Plan
from tests.bench import tune as truth
from tests.cli.conftest import REPOSITORY, Answer, Call

FOLDER = "hydra.sweep.dir=found"
SMALL = ("dataset=iris", "architecture.hidden=[4]", "optimizer=momentum", "epochs=4", "workers=1", "lanes=4")
RANGES = ("lr=interval(1e-4,1)", "optimizer.mu=interval(0,0.99)")
SPENT = "spent: 12 of 12 trials (12 completed), 48 epochs"


def table(path: Path, name: str = "tune.csv") -> list[dict[str, str]]:
    with open(path / name, newline="") as file:
        return list(csv.DictReader(file))


def settings(path: Path) -> list[tuple[str, ...]]:
    """What each trial set, and what it came to."""
    return [tuple(row.values()) for row in table(path)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tune of twelve trials, and what it said."""
    at = tmp_path_factory.mktemp("tune")
    done = command(at, "tune", *SMALL, *RANGES, "runs=12", FOLDER)
    assert (done.code, done.err) == (0, "")
    return at / "found", done.out


def command(at: Path, *arguments: str) -> Answer:
    """The program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments], cwd=at, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(at / "cache")}, timeout=120,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def test_a_tune_is_a_sweep_with_a_run_folder_for_each_trial(found: tuple[Path, str]) -> None:
    path, _ = found
    names = {entry.name for entry in path.iterdir()}
    own = {"tune.json", "study.log", "tune.csv", "expected_best.csv", "tune.png", "tune.svg"}
    assert own | {"sweep.json", "sweep.csv", "sweep.png", *map(str, range(12))} <= names
    jobs = json.loads((path / "sweep.json").read_text())["jobs"]
    for job, trial, row in zip(jobs, table(path), table(path, "sweep.csv"), strict=True):
        assert job["overrides"][-2:] == [f"lr={trial['lr']}", f"optimizer.mu={trial['optimizer.mu']}"]
        assert (row["lr"], row["best_val_loss"], row["status"]) == (trial["lr"], trial["val_loss"], "completed")


def test_it_says_what_it_searches_and_spends_its_budget_exactly(found: tuple[Path, str]) -> None:
    path, said = found
    lines = said.splitlines()
    assert lines[:3] == [
        "12 trials by tpe for the lowest val_loss, at most 48 epochs, 4 each, in found",
        "  lr=interval(1e-4,1)            log, for a quantity in (0, 1e+30]",
        "  optimizer.mu=interval(0,0.99)  linear, which has a place for 0",
    ]
    assert SPENT in lines
    assert [int(row["total_epochs"]) for row in table(path)] == list(range(4, 49, 4))


def test_the_best_trial_is_told_with_the_command_that_trains_it_again(found: tuple[Path, str]) -> None:
    path, said = found
    best = min(table(path), key=lambda row: float(row["val_loss"]))
    chosen = f"lr={best['lr']} optimizer.mu={best['optimizer.mu']}"
    assert f"best: trial {best['trial']}, val_loss {float(best['val_loss']):.5g}: {chosen}\n" in said
    (again,) = (line.removeprefix("again: optrun ") for line in said.splitlines() if line.startswith("again: "))
    assert shlex.split(again)[-2:] == shlex.split(chosen)
    done = command(path.parent, *shlex.split(again), "hydra.run.dir=again")
    assert done.code == 0
    loss = json.loads((path.parent / "again" / "summary.json").read_text())["best"]["val_loss"]
    assert loss == pytest.approx(float(best["val_loss"]), rel=1e-5)  # alone it rounds differently, in float32


def test_the_expected_best_goes_from_the_mean_to_the_best_of_all(found: tuple[Path, str]) -> None:
    path, _ = found
    losses = [float(row["val_loss"]) for row in table(path)]
    curve = table(path, "expected_best.csv")
    assert [row["trials"] for row in curve] == [str(k) for k in range(1, 13)]
    assert float(curve[0]["expected_best"]) == pytest.approx(sum(losses) / 12)
    assert float(curve[-1]["expected_best"]) == pytest.approx(min(losses))
    assert [float(row["best_so_far"]) for row in table(path)] == [min(losses[: k + 1]) for k in range(12)]


def test_the_same_command_tries_the_same_with_any_number_of_workers(found: tuple[Path, str], call: Call) -> None:
    path, _ = found
    ways = [each for each in SMALL if each != "workers=1"]
    assert call("tune", *ways, *RANGES, "runs=12", "workers=2", FOLDER).code == 0
    assert settings(Path("found")) == settings(path)


# A part of the user's, which hears of every run: whoever trains the first one waits for somebody who trains another.
MEETING = """
import os, time
from dataclasses import dataclass
from runner.recorder.base import Log, Writer

PATIENCE_S = 60.0  # on a busy machine; a process that trains alone waits so long, and then fails

@dataclass(frozen=True)
class Meeting(Writer):
    def begin(self, about):
        place = about.path.parent
        (place / f"met.{os.getpid()}").touch()
        (about.path / "process").write_text(str(os.getpid()))
        deadline = time.monotonic() + PATIENCE_S
        while len(list(place.glob("met.*"))) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError("nobody came")
            time.sleep(0.01)
        return Nothing()

class Nothing(Log):
    def rows(self, rows): ...
    def end(self, summary): ...
    def close(self): ...
"""


def test_workers_train_trials_of_one_study_at_the_same_time(call: Call) -> None:
    Path("meeting.py").write_text(MEETING)
    mine = ("plugins=[meeting]", "recorder._target_=meeting.Meeting")
    ways = [each for each in SMALL if not each.startswith(("workers", "lanes"))]
    assert call("tune", *ways, *RANGES, *mine, "runs=4", "workers=2", "lanes=off", FOLDER).code == 0
    runs = [Path("found", str(trial)) for trial in range(4)]
    assert [json.loads((run / "summary.json").read_text()).get("not_recorded") for run in runs] == [None] * 4
    assert len({(run / "process").read_text() for run in runs}) == 2


def test_a_tune_that_was_killed_goes_on_as_if_nothing_had_happened(found: tuple[Path, str], tmp_path: Path) -> None:
    path, _ = found
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    arguments = [sys.executable, "-m", "runner", "tune", *SMALL, *RANGES, "runs=12", FOLDER]
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "found" / "3" / "manifest.json").exists():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "found" / "tune.csv").exists()
    done = command(tmp_path, "resume", "found", "workers=1", "lanes=4")
    assert (done.code, done.err) == (0, "")
    assert settings(tmp_path / "found") == settings(path)
    assert SPENT in done.out


def test_a_tune_that_has_ended_can_be_given_a_larger_budget(found: tuple[Path, str], call: Call) -> None:
    path, _ = found
    shutil.copytree(path, "found")
    done = call("resume", "found", "runs=14", "workers=1")
    assert (done.code, done.err) == (0, "")
    assert "12 of them have ended before" in done.out
    assert "spent: 14 of 14 trials (14 completed), 56 epochs" in done.out
    assert settings(Path("found"))[:12] == settings(path)


def test_a_tune_that_has_ended_is_told_again_without_training(found: tuple[Path, str], call: Call) -> None:
    path, said = found
    shutil.copytree(path, "found")
    done = call("resume", "found", "workers=1")
    assert done.code == 0
    assert [line for line in done.out.splitlines() if line.startswith(("spent", "best", "edge", "again"))] == [
        line for line in said.splitlines() if line.startswith(("spent", "best", "edge", "again"))
    ]


def test_its_pictures_can_be_drawn_again(found: tuple[Path, str], call: Call) -> None:
    path, _ = found
    shutil.copytree(path, "found")
    for name in ("tune.svg", "sweep.svg"):
        Path("found", name).unlink()
    done = call("plot", "found")
    assert done.code == 0
    assert done.out.splitlines() == [f"found/{stem}.{kind}" for stem in ("sweep", "tune") for kind in ("png", "svg")]
    for name in ("tune.svg", "sweep.svg"):
        assert Path("found", name).read_bytes() == (path / name).read_bytes()


def test_pruned_and_diverged_trials_are_told_as_such(call: Call) -> None:
    wide = ("lr=tag(log,interval(1e-4,1e9))", "optimizer=sgd")
    answer = call("tune", *SMALL, *wide, "epochs=8", "prune=median", "runs=25", "search=random", FOLDER)
    assert answer.code == 0
    rows, runs = table(Path("found")), table(Path("found"), "sweep.csv")
    states = {state: [row for row in rows if row["state"] == state] for state in ("completed", "pruned", "diverged")}
    assert all(states.values())
    assert all(row["val_loss"] == "" for row in states["diverged"])
    for row in states["pruned"]:
        run = runs[int(row["trial"])]
        assert int(row["epochs"]) < 8
        assert run["status"] == "completed"  # it ended as its stop rule wanted
        assert run["verdict"].startswith(f"the best val_loss after {row['epochs']} epoch")
    total = sum(int(row["epochs"]) for row in rows)
    counts = ", ".join(f"{len(held)} {state}" for state, held in sorted(states.items(), key=lambda one: -len(one[1])))
    assert f"spent: 25 of 25 trials ({counts}), {total} epochs\n" in answer.out
    assert total < 25 * 8


def test_the_epochs_of_all_trials_together_are_a_budget_that_is_kept(call: Call) -> None:
    assert call("tune", *SMALL, *RANGES, "epochs=3", "runs=20", "total_epochs=14", FOLDER).code == 0
    assert [row["total_epochs"] for row in table(Path("found"))] == ["3", "6", "9", "12"]


def test_another_goal_is_searched_in_its_own_direction(call: Call) -> None:
    answer = call("tune", *SMALL, "optimizer=sgd,adam", "lr=interval(1e-3,1)", "search=sobol", "runs=8",
                  "goal=val_accuracy", FOLDER)  # fmt: skip
    assert answer.code == 0
    assert "for the highest val_accuracy" in answer.out
    best = [float(row["best_so_far"]) for row in table(Path("found"))]
    assert best == sorted(best)
    assert best[-1] == max(float(row["val_accuracy"]) for row in table(Path("found")))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["lr=0.1"],
            "optrun tune lr=0.1 is refused\n"
            "  allowed: at least one range: KEY=interval(LOW,HIGH), KEY=A,B or KEY=range(N)\n"
            "  do this: give lr='interval(1e-4,1)', say; `optrun tune --help` shows examples",
        ),
        (
            ["lr=interval(1e-4,1)", "runs=0"],
            "runs=0 is refused\n"
            "  allowed: a whole number in [1, 1e+15]\n"
            "  do this: give runs=... a value in that range; the default is 40",
        ),
        (
            ["lr=interval(1e-4,1)", "total_epochs=29"],
            "total_epochs=29 is refused\n"
            "  allowed: at least the 30 epochs of one trial\n"
            "  do this: give total_epochs=1200 for all runs, or fewer epochs=... for each",
        ),
        (
            ["lr=interval(1e-4,1)", "search=grid"],
            "search=grid is refused\n"
            "  allowed: tpe | random | sobol\n"
            "  do this: give search=... one of these; the default is tpe",
        ),
        (
            ["lr=interval(1e-4,1)", "goal=val_acuracy"],
            "goal=val_acuracy is refused\n"
            "  allowed: one of val_loss, val_accuracy\n"
            "  do this: did you mean val_accuracy? give goal=val_loss, say",
        ),
        (
            ["optimizer.beta=interval(0,0.9)", "optimizer=momentum"],
            "optimizer.beta=0 is refused\n"
            "  allowed: the arguments of Momentum: mu\n"
            "  do this: remove it or use one of these",
        ),
        (
            ["optimizer=momentum", "optimizer.mu=interval(0,1)"],
            "optimizer.mu=1 is refused\n"
            "  allowed: a number in [0, 1)\n"
            "  do this: give optimizer.mu=... a value in that range; the default is 0.9",
        ),
        (
            ["lr=interval(1e-4,1)", "optimizer=adam,adamm"],
            "optimizer=adamm is refused",
        ),
        (
            ["-m", "lr=interval(1e-4,1)"],
            "optrun tune -m is refused\n"
            "  allowed: key=value\n"
            "  do this: leave it out; optrun resume FOLDER runs=N extends a tune",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(
    arguments: list[str], text: str, call: Call, tmp_path: Path
) -> None:
    answer = call("tune", *arguments)
    assert answer.code == 2
    assert answer.err.startswith(f"optrun: {text}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [("-m",), ()])
def test_an_interval_without_tune_is_answered_with_tune(flags: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    answer = call(*flags, "lr=interval(1e-4,1)", FOLDER)
    assert (answer.code, answer.err) == (
        2,
        "optrun: lr=interval(1e-4,1) is refused\n"
        "  allowed: a list of values, each of which is trained\n"
        "  do this: optrun tune lr='interval(1e-4,1)' searches for the best one; or give lr=A,B\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_it_says_how_to_install_it(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = call("tune", "lr=interval(1e-4,1)")
    assert (answer.code, answer.err) == (
        2,
        "optrun: optrun tune without optuna is refused\n"
        "  allowed: Optuna, which proposes the trials\n"
        "  do this: pip install 'optrun[tune]'\n",
    )


def test_nothing_but_tune_imports_optuna() -> None:
    code = "import sys; from runner import cli; cli.main(['--help']); import runner.sweep.launch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert "optuna" not in done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_its_page_keeps_to_the_width_and_names_every_key_with_its_default(width: int) -> None:
    page = menu.tune_page(width)
    assert max(map(len, page.splitlines())) <= width
    for name, value in vars(Plan()).items():
        assert f"  {name}={value}" in page


def test_a_changed_plan_and_a_tune_in_use_are_told(found: tuple[Path, str], call: Call) -> None:
    path, _ = found
    shutil.copytree(path, "found")
    lock = locked(Path("found").resolve())
    assert call("resume", "found").code == 5
    os.close(lock)
    plan = Path("found", "tune.json")
    plan.write_text(plan.read_text().replace('"runs": 12', '"runs": 13'))
    answer = call("resume", "found")
    assert answer.code == 6
    assert answer.err.startswith("optrun: ")
    assert answer.err.endswith("tune.json was changed or damaged since it was written\n")


def test_packages_of_the_user_s_are_named_by_every_command_and_by_no_file(call: Call) -> None:
    assert call("tune", *SMALL, "lr=interval(0.1,1)", "runs=1", "plugins=[json]", FOLDER).code == 0
    assert "json" not in "".join(json.loads(Path("found", "tune.json").read_text())["typed"]["overrides"])


def test_the_table_of_make_tune_truth_compares_seed_by_seed() -> None:
    assert truth.row(30, {"random": [0.2, 0.4, 0.1], "tpe": [0.1, 0.2, 0.1]}).startswith(
        "| 30 | 0.2000 | 0.1000 | 2 / 1 | -37.0 % ("  # the cube root of 1/4 is 0.63
    )
    assert truth.row(30, {"random": [0.2, 0.4, 0.1], "tpe": [0.1, 0.2, 0.1]}).endswith(" | 2 of 3 |")
    assert "| +0.0 % (+0.0 to +0.0) | 0 of 2 |" in truth.row(10, {"random": [0.2, 0.4], "tpe": [0.2, 0.4]})
