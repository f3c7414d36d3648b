"""Work that is captured and replayed, on a device that the processor plays: see tests/core/taped.py."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from runner import run as runs
from runner.core import captured
from runner.core.captured import ASKED, MOST, Captures, Tensors, capturer_of
from runner.run import Run
from runner.sweep import fuse
from tests.core.taped import Tapes
from tests.lanes.sides import alone, composed, numbered, run, same, together

IN_EPOCH = 2  # forms of a mini-batch: 60 and 46 of 106 examples


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Tapes:
    """A device on which replaying is always faster."""
    monkeypatch.setattr(captured, "WORTH_S", 0)
    times = itertools.count()
    monkeypatch.setattr(Captures, "seconds", lambda self, work: -float(next(times)))  # each shorter than the last
    return Tapes()


def doubled(x: Tensor) -> tuple[Tensor]:
    return (2 * x,)


def numbers(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64)


def test_a_processor_captures_nothing_and_a_gpu_does() -> None:
    assert capturer_of(torch.device("cpu")) is None
    assert capturer_of(torch.device("cuda")) is not None


def test_work_is_captured_when_it_is_asked_for_again_and_again(tapes: Tapes) -> None:
    captures = Captures(tapes)
    for asked in range(ASKED + 3):
        assert captures(doubled, numbers(3) + asked)[0].tolist() == [2.0 * (each + asked) for each in range(3)]
        assert tapes.captures == captures.replays == (asked >= ASKED)
    assert tapes.replays >= 3


def test_work_is_captured_when_asking_has_taken_as_long_as_a_capture(
    tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "WORTH_S", 10.0)
    clock = iter([0.0, 4.0, 10.0, 10.5, 20.0, 23.0, 30.0, 33.0])
    monkeypatch.setattr(captured.time, "perf_counter", lambda: next(clock))  # 4, 0.5, 3 and 3 seconds
    captures = Captures(tapes)
    for _ in range(4):
        captures(doubled, numbers(3))
        assert tapes.captures == 0
    captures(doubled, numbers(3))
    assert tapes.captures == 1


def test_each_form_of_what_is_given_is_captured_by_itself_and_not_more_than_a_few(tapes: Tapes) -> None:
    captures = Captures(tapes)
    for size in range(1, MOST + 3):
        for _ in range(ASKED + 1):
            assert captures(doubled, numbers(size))[0].tolist() == (2 * numbers(size)).tolist()
    assert tapes.captures == MOST


def test_work_finds_what_it_is_given_in_one_place_whether_it_is_asked_for_or_replayed(tapes: Tapes) -> None:
    places = set()

    def work(x: Tensor) -> tuple[Tensor]:
        places.add(x.data_ptr())
        return doubled(x)

    captures = Captures(tapes)
    for part in torch.split(numbers(3 * (ASKED + 2)), 3):
        assert captures(work, part)[0].tolist() == (2 * part).tolist()
    assert len(places) == 1


def test_work_that_looks_at_a_number_is_asked_for_as_before_and_nothing_else_is_tried(tapes: Tapes) -> None:
    captures = Captures(tapes)

    def work(x: Tensor) -> tuple[Tensor]:
        return (x * x.sum().item(),)

    for size in (3, 2):
        for _ in range(ASKED + 2):
            assert captures(work, numbers(size))[0].tolist() == [number * sum(range(size)) for number in range(size)]
    assert (tapes.captures, tapes.replays, captures.replays, captures.failed) == (0, 0, False, True)


def test_work_that_depends_on_more_than_tensors_is_asked_for_as_before(tapes: Tapes) -> None:
    """Here on how often it was asked, which a replay cannot know."""
    count = iter(range(100))
    captures = Captures(tapes)
    found = [captures(lambda x: (x + next(count),), numbers(1))[0].item() for _ in range(ASKED + 3)]
    assert found == sorted(set(found)), "every one is an answer of its own"
    assert not captures.replays


def test_work_whose_replay_changes_another_tensor_than_asking_is_asked_for_as_before(tapes: Tapes) -> None:
    kept = torch.zeros(1, dtype=torch.float64)

    def work(x: Tensor) -> tuple[Tensor]:
        kept.add_(1)
        return (x,)

    captures = Captures(tapes, [kept])
    for _ in range(ASKED + 1):
        captures(work, numbers(1))
    assert not captures.replays


def test_a_number_that_is_not_finite_is_a_number_like_others(tapes: Tapes) -> None:
    captures = Captures(tapes)
    for _ in range(ASKED + 1):
        captures(doubled, torch.tensor([torch.nan, torch.inf]))
    assert captures.replays


@pytest.mark.parametrize("seconds", [1.0, 0.001])
def test_work_that_takes_long_or_whose_replay_is_no_faster_is_asked_for_as_before(
    seconds: float, tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Captures, "seconds", lambda self, work: seconds)
    captures = Captures(tapes)
    for _ in range(ASKED + 1):
        captures(doubled, numbers(3))
    assert not captures.replays
    assert tapes.captures == (seconds < captured.LONG_S)


def test_memory_that_does_not_suffice_ends_no_run(tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(work: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(tapes, "capture", greedy)
    captures = Captures(tapes)
    for _ in range(ASKED + 2):
        assert captures(doubled, numbers(3))[0].tolist() == [0, 2, 4]
    assert captures.failed


def test_what_was_captured_goes_with_its_owner(tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: memory of a device would wait for a search for circles."""
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    m = runs.prepare(run())
    m.objective.on(*m.train.rows(torch.arange(60)))
    for _ in range(ASKED + 1):
        m.objective.value_and_grad(m.theta)
    assert m.objective.captures is not None
    (place,) = m.objective.captures.places.values()
    assert place.replay is not None
    left = weakref.ref(place.given[0])
    gc.disable()
    try:
        del m, place
        assert left() is None
    finally:
        gc.enable()


# ---- in training

COMPANY = {
    "plain": (),
    "many steps in an epoch": ("batch_size=10", "probe=gradient_noise"),
    "batch norm": ("architecture/normalization=batch",),
    "dropout": ("architecture.dropout=0.3",),
    "dropout and batch norm": ("architecture.dropout=0.3", "architecture/normalization=batch"),
    "a penalty": ("regularizer=l1",),
    "a summed loss with a penalty": ("loss.reduction=sum", "regularizer=l2", "lr=1e-4"),
    "label smoothing": ("loss.label_smoothing=0.1",),
    "a rule that asks twice": ("optimizer=sam",),
    "a line search": ("optimizer=strong_wolfe",),
    "divergence": ("lr=1e30",),
}


def company_of(name: str) -> list[Run]:
    one = run("epochs=6", *COMPANY[name])
    return [replace(one, seed=seed, lr=one.lr / (1 + seed)) for seed in range(3)]


@pytest.mark.parametrize("name", COMPANY)
def test_training_by_replays_leaves_the_same_bits(
    name: str, tmp_path: Path, tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = company_of(name)[0]
    asked = alone(one, tmp_path / "asked")
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    assert same(asked, alone(one, tmp_path / "replayed"))
    if name != "divergence":
        assert tapes.captures >= IN_EPOCH
        assert tapes.replays >= IN_EPOCH


@pytest.mark.parametrize("name", [name for name in COMPANY if name != "a line search"])
def test_training_side_by_side_by_replays_leaves_the_same_bits(
    name: str, tmp_path: Path, tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = company_of(name)
    asked = together(company, numbered(tmp_path / "asked", 3))
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    replayed = together(company, numbered(tmp_path / "replayed", 3))
    assert all(same(one, other) for one, other in zip(asked, replayed, strict=True))
    if name != "divergence":
        assert tapes.captures >= IN_EPOCH
        assert tapes.replays >= IN_EPOCH


@pytest.mark.parametrize("name", ["convnet", "resnet", "transformer"])
def test_a_network_for_images_is_replayed(
    name: str, tmp_path: Path, tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = composed("dataset=digits", "batch_size=250", "epochs=1", f"architecture={name}")
    asked = alone(one, tmp_path / "asked")
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    replayed = alone(one, tmp_path / "replayed")
    assert same(asked, replayed)
    assert tapes.captures == 1


def test_whether_side_by_side_pays_is_measured_as_it_is_trained(tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "WORTH_S", 1e9)  # which no measurement takes
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    m = runs.prepare(run())
    replays = []

    def in_turns(alone: Callable[[], object], together: Callable[[], object], count: int) -> tuple[float, float]:
        for ask in (alone, together):
            before = tapes.replays
            ask()
            replays.append(tapes.replays - before)
        return 1.0, 1.0

    monkeypatch.setattr(fuse, "in_turns", in_turns)
    fuse.measured(run(), m, 3)
    assert replays == [1, 1]
