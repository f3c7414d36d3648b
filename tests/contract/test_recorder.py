"""The exam of every recorder in runner/recorder/ that writes: what it wrote is read back by its own library."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner import build, job
from runner.core.errors import ConfigError
from runner.optimizer.sgd import SGD
from runner.recorder.base import Writer
from runner.recorder.none import NoRecorder
from runner.run import Run, Shared
from runner.screen.base import Row, Silent
from runner.stop.epochs import Epochs
from runner.store import folder
from runner.store.folder import read_rows, read_status
from runner.sweep.base import Job
from runner.sweep.group import Manner, Task, train_group
from tests.contract.rooms import choices
from tests.recorder.reading import READERS, Found
from tests.sweep.test_fuse import ONE

CLASSES = choices("recorder")
WRITERS = {name: cls for name, cls in CLASSES.items() if issubclass(cls, Writer)}
each = pytest.mark.parametrize("name", WRITERS)
# Some of the libraries warn while they are imported or make their files.
pytestmark = pytest.mark.filterwarnings("ignore")
EPOCHS = 6
CUT = 4  # the epoch in which a run is killed
FLOAT32 = 1e-6  # TensorBoard keeps so much of a number, relatively; the others keep all of it


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One file of MLflow's for all of these tests: making one takes it seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")
        yield


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit in every epoch."""
    monkeypatch.setattr(folder, "LEAST_S", 0.0)
    monkeypatch.setattr(folder, "SHARE", 0)


def made(name: str) -> Run:
    """A run of a few milliseconds with that recorder."""
    for package in WRITERS[name].packages:
        pytest.importorskip(package, reason=f"{package} is not installed; make test-recorders installs it")
    return replace(ONE, recorder=WRITERS[name](), stop=Epochs(epochs=EPOCHS), epochs=EPOCHS)


@dataclass
class Looking(Silent):
    """Looks at something when the row of epoch `CUT` is written, before it is committed."""

    look: Callable[[], object]
    seen: int = 0
    told: list[str] = field(default_factory=list)

    def row(self, row: Row) -> None:
        self.seen += 1
        if self.seen == CUT:
            self.look()

    def notice(self, text: str) -> None:
        self.told.append(text)


def trained(run: Run, path: Path, look: Callable[[], object] = lambda: None) -> Path:
    """The folder of a run that had nothing to complain of."""
    screen = Looking(look)
    job.start(run, path, "optrun", screen, pictures=False)
    assert screen.told == []
    assert "not_recorded" not in read_status(path)
    return path


def refuse_other(found: Found, path: Path) -> None:
    """Every row of the run once, in order, with all of its columns."""
    rows = read_rows(path / "metrics.csv")
    assert found.epochs == list(range(1, len(rows) + 1))
    assert found.columns.keys() >= rows[0].keys()
    for name in rows[0]:
        assert found.columns[name] == pytest.approx([row[name] for row in rows], rel=FLOAT32, nan_ok=True)


def test_the_exam_can_read_what_every_recorder_writes() -> None:
    assert WRITERS.keys() == READERS.keys()
    assert CLASSES.keys() - WRITERS.keys() == {"none", "several"}


@each
def test_it_writes_every_row_and_how_the_run_ended(name: str, tmp_path: Path) -> None:
    run = made(name)
    found = READERS[name](trained(run, tmp_path / "run"))
    refuse_other(found, tmp_path / "run")
    assert (found.title, found.status) == (build.title(run), "completed")
    summary = read_status(tmp_path / "run")
    assert found.outcome["best_val_loss"] == pytest.approx(summary["best"]["val_loss"], rel=FLOAT32)
    assert found.outcome["test_accuracy"] == pytest.approx(summary["test"]["accuracy"], rel=FLOAT32)


@each
def test_it_writes_what_was_chosen(name: str, tmp_path: Path) -> None:
    found = READERS[name](trained(made(name), tmp_path / "run")).settings
    assert (found["optimizer"], found["architecture.hidden"], found["stop"]) == ("sgd", "[8]", "epochs")
    assert float(found["lr"]) == ONE.lr
    assert "recorder" not in found


@each
def test_it_changes_no_byte_of_the_numbers(name: str, often: None, tmp_path: Path) -> None:
    run = made(name)
    with_it = trained(run, tmp_path / "with")
    without = trained(replace(run, recorder=NoRecorder()), tmp_path / "without")
    assert (with_it / "metrics.csv").read_bytes() == (without / "metrics.csv").read_bytes()


@each
def test_it_has_no_row_that_is_not_committed(name: str, often: None, tmp_path: Path) -> None:
    seen: list[Found] = []
    trained(made(name), tmp_path / "run", lambda: seen.append(READERS[name](tmp_path / "run")))
    (found,) = seen
    assert found.epochs == list(range(1, CUT))[: len(found.epochs)]
    assert found.status == ""


def as_it_was(killed: Path, whole: Path, name: str) -> None: ...


def gone(killed: Path, whole: Path, name: str) -> None:
    shutil.rmtree(killed / name, ignore_errors=True)


def ahead(killed: Path, whole: Path, name: str) -> None:
    """As if the newest commit had been lost, whose rows were told already."""
    gone(killed, whole, name)
    if (whole / name).exists():
        shutil.copytree(whole / name, killed / name, symlinks=True)


def cut_off(killed: Path, whole: Path, name: str) -> None:
    """In the middle of whatever was written last."""
    for file in (*killed.glob(f"{name}/events*"), *killed.glob(f"{name}/*/*.wandb")):
        file.write_bytes(file.read_bytes()[:-5])


@pytest.mark.parametrize("left", [as_it_was, gone, ahead, cut_off])
@each
def test_a_run_that_was_killed_has_every_row_once_when_it_was_resumed(
    name: str, left: Callable[[Path, Path, str], None], often: None, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    whole = trained(made(name), tmp_path / "whole", lambda: shutil.copytree(tmp_path / "whole", killed, symlinks=True))
    left(killed, whole, name)
    for _ in range(2):  # the second time there is nothing to do
        result = job.resume(killed, (), Silent(), pictures=False)
        assert result.summary["status"] == "completed"
        found = READERS[name](killed)
        refuse_other(found, killed)
        assert found.status == "completed"
    assert (killed / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@each
def test_runs_side_by_side_have_a_log_each(name: str, often: None, tmp_path: Path) -> None:
    runs = [replace(made(name), seed=seed, stop=Epochs(epochs=2 + seed)) for seed in range(3)]
    jobs = [Job(number, str(number), (), {}) for number in range(3)]
    tasks = [Task(one, run, tmp_path / one.folder, "", together=True) for one, run in zip(jobs, runs, strict=True)]
    outcomes = list(train_group(tasks, Manner(plugins=(), pictures=False, threads=1), Shared()))
    assert [each.summary.get("not_recorded") for each in outcomes] == [None] * 3
    for seed in range(3):
        found = READERS[name](tmp_path / str(seed))
        refuse_other(found, tmp_path / str(seed))
        assert (len(found.epochs), found.status) == (2 + seed, "completed")


@each
def test_a_run_that_diverges_says_so_there(name: str, tmp_path: Path) -> None:
    run = replace(made(name), optimizer=SGD(), lr=1e20)
    assert READERS[name](trained(run, tmp_path / "run")).status == "diverged"


@each
def test_without_its_package_a_run_is_refused_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, purpose = next(iter(WRITERS[name].packages.items()))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as refused:
        job.start(replace(ONE, recorder=WRITERS[name]()), tmp_path / "run", "optrun", Silent())
    assert str(refused.value) == (
        f"recorder={name} is refused\n  allowed: {package} installed, {purpose}\n"
        f"  do this: pip install 'optrun[{WRITERS[name].extra}]'"
    )
    assert list(tmp_path.iterdir()) == []


@each
def test_without_its_package_a_run_is_resumed_all_the_same(
    name: str, often: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed"
    whole = trained(made(name), tmp_path / "whole", lambda: shutil.copytree(tmp_path / "whole", killed, symlinks=True))
    package, purpose = next(iter(WRITERS[name].packages.items()))
    monkeypatch.setitem(sys.modules, package, None)
    screen = Looking(lambda: None)
    assert job.resume(killed, (), screen, pictures=False).exit_code == 0
    told = (
        f"{name} records no more of this run: recorder={name} is refused; allowed: {package} installed, {purpose}; "
        f"do this: pip install 'optrun[{WRITERS[name].extra}]'"
    )
    assert screen.told == read_status(killed)["not_recorded"] == [told]
    assert (killed / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
