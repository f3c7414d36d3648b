"""What cannot be divided among processes is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runner import cli, job, parallel
from runner.core import device
from runner.core.errors import ConfigError, ProcessLost
from runner.core.launched import NAMES, Place, Voice, place
from runner.core.processes import Portion, Processes
from runner.run import prepare
from runner.store.shared import SharedFolder
from tests.lanes.sides import run

OTHER_EXAMPLES = "the loss on other examples than those of the mini-batch"


class Pretended(Processes):
    """The first of some processes, whose others are not there: what they would add is 0.

    others  what the others have where this one has a number, None: the same
    """

    def __init__(self, size: int = 2, others: float | None = None) -> None:
        self.rank, self.size, self.local_size, self.others = 0, size, size, others
        self._device = torch.device("cpu")

    def join(self, device: torch.device) -> None: ...

    def add(self, tensor: torch.Tensor) -> None: ...

    def told(self, data: bytes) -> bytes:
        return data

    def each(self, number: float) -> list[float]:
        return [number] + [number if self.others is None else self.others] * (self.size - 1)


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun starts the first of three processes."""
    for name, value in zip(NAMES, "0303", strict=True):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["-m", "lr=0.1,0.2"], "optrun -m"),
        (["--cfg", "job"], "optrun --cfg"),
        (["tune", "lr=interval(0.1,1)", "runs=2"], "optrun tune"),
        (["list"], "optrun list"),
    ],
)
def test_what_is_not_one_run_is_refused(arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == (
        f"optrun: {what} on 3 processes is refused\n"
        "  allowed: one run, or resume of one run, on several processes\n"
        "  do this: start it without torchrun; a sweep or a tune shares out its runs by itself, among workers=N\n"
    )


@pytest.mark.usefixtures("several")
def test_the_folder_of_a_sweep_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tune.json").touch()
    assert cli.main(["resume", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("optrun: resume of a sweep on 3 processes is refused\n")


@pytest.mark.usefixtures("several")
def test_a_point_in_the_plane_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["problem=rosenbrock", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert capsys.readouterr().err == (
        "optrun: dataset=none is refused\n"
        "  allowed: on several processes, examples that can be divided among them\n"
        "  do this: start it on one process: optrun, without torchrun\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_other_processes_are_silent_before_they_have_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in zip(NAMES, "1212", strict=True):
        monkeypatch.setenv(name, value)
    assert cli.main(["list"]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("choices", "label", "need"),
    [
        (("optimizer=kfac",), "kfac", "what goes into every layer and what comes back to it"),
        (
            ("optimizer=subsampled_newton",),
            "subsampled_newton",
            OTHER_EXAMPLES,
        ),
        (("optimizer=sqn",), "sqn", OTHER_EXAMPLES),
    ],
)
def test_a_method_that_asks_for_more_than_sums_is_refused(choices: tuple[str, ...], label: str, need: str) -> None:
    with pytest.raises(ConfigError) as refused:
        prepare(run(*choices), processes=Pretended())
    assert refused.value.refusal.key == "optimizer"
    assert refused.value.refusal.given.startswith(label)
    assert refused.value.refusal.allowed == (
        "on several processes, a method that asks for sums over the mini-batch (values, gradients, products with its "
        f"curvature); this one asks for {need}, for which every process would do the work of all"
    )
    assert refused.value.refusal.do == "start it on one process, or choose optimizer=adam, say"


def test_one_gpu_for_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "resolve", torch.device)
    with pytest.raises(ConfigError) as refused:
        parallel.join(Pretended(), "cuda:1")
    assert str(refused.value) == (
        "device=cuda:1 is refused\n"
        "  allowed: on several processes, cpu, or cuda with a GPU for each of them\n"
        "  do this: give device=cpu or device=cuda"
    )


@pytest.mark.usefixtures("several")
def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "resolve", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError) as refused:
        parallel.join(Pretended(3), "cuda")
    assert str(refused.value) == (
        "device=cuda is refused\n"
        "  allowed: cuda with a GPU for each of the 3 processes of a machine; this one has 2\n"
        "  do this: give device=cpu, or start fewer processes"
    )


def test_a_process_with_other_data_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        Pretended(others=1.0).refuse_strangers({"the data": "0123"})
    assert str(refused.value) == (
        "process 1 is refused\n"
        "  allowed: the data as in process 0, since all train the same parameters\n"
        "  do this: start all processes by the same command, with the same data and versions on every machine"
    )


def test_processes_that_have_the_same_are_not_refused() -> None:
    Pretended(3).refuse_strangers({"the data": "0123"})


def test_other_parameters_in_one_process_end_the_run_before_a_commit(tmp_path: Path) -> None:
    made, processes = run("optimizer=sgd"), Pretended()
    opened = job.claimed(made, prepare(made), tmp_path / "run", "", together=False)
    folder = SharedFolder(processes, opened.folder)
    processes.others = 1.0
    with opened.folder, pytest.raises(ProcessLost) as lost:
        folder.commit({"theta": torch.ones(3), "step": 7})
    assert str(lost.value) == (
        "process 1 has come to other parameters than process 0 by step 7: all must compute alike, on machines of one "
        "kind"
    )
    assert not list((tmp_path / "run" / "checkpoint").iterdir())


def test_a_run_of_one_process_does_not_go_on_in_several() -> None:
    with pytest.raises(ConfigError) as refused:
        job.refuse_other_number(Path("outputs/run"), 1, 2)
    assert refused.value.refusal.allowed.startswith("as many processes as it was started on, 1 and not 2: ")
    assert refused.value.refusal.do == "optrun resume outputs/run"


@pytest.mark.parametrize(
    ("size", "rows", "parts"),
    [
        (2, 5, [(0, 2, 2), (2, 5, 3)]),
        (4, 8, [(0, 2, 2), (2, 4, 2), (4, 6, 2), (6, 8, 2)]),
        (4, 2, [(0, 1, 0), (0, 1, 1), (1, 2, 0), (1, 2, 1)]),
        (2, 1, [(0, 1, 0), (0, 1, 1)]),
    ],
)
def test_every_row_counts_once_and_nobody_is_without_a_row(
    size: int, rows: int, parts: list[tuple[int, int, int]]
) -> None:
    found: list[Portion] = []
    for rank in range(size):
        processes = Pretended(size)
        processes.rank = rank
        found.append(processes.portion(rows))
    assert [(part.rows.start, part.rows.stop, part.counted) for part in found] == parts
    assert sum(part.weight for part in found) == 1.0


def test_a_process_is_alone_unless_the_environment_says_all_of_its_place() -> None:
    whole = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert place(whole) == Place(3, 4, 1, 2)
    for name in whole:
        assert place({key: value for key, value in whole.items() if key != name}) == Place()
    assert place(whole | {"RANK": "first"}) == Place()


def test_only_the_first_that_has_something_to_say_says_it() -> None:
    voice, asked = Voice(), iter([True, False])
    voice.met(lambda: next(asked))
    assert [voice.speaks(), voice.speaks()] == [True, False]
