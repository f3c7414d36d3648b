"""Work that is captured and replayed, on a device that the processor plays: see tests/core/taped.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from runner import run as runs
from runner.core import captured
from runner.core.captured import ASKED, MOST, Captures, capturer_of
from tests.core.taped import Tapes
from tests.lanes.sides import Left, alone, composed, numbered, run, same, together

IN_EPOCH = 2  # forms of a mini-batch: 60 and 46 of 106 examples


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Tapes:
    """A device on which replaying is always faster."""
    made = Tapes()
    monkeypatch.setattr(captured, "WORTH_S", 0)
    monkeypatch.setattr(Captures, "seconds", lambda self, work, given: float(work == self.work))
    return made


def doubled(x: Tensor) -> tuple[Tensor]:
    return (2 * x,)


def numbers(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64)


def test_a_processor_captures_nothing_and_a_gpu_does() -> None:
    assert capturer_of(torch.device("cpu")) is None
    assert capturer_of(torch.device("cuda")) is not None


def test_work_is_captured_when_it_is_asked_for_again_and_again(tapes: Tapes) -> None:
    captures = Captures(tapes, doubled)
    for asked in range(ASKED + 3):
        assert captures(numbers(3) + asked)[0].tolist() == [2.0 * (each + asked) for each in range(3)]
        assert tapes.captures == captures.replays == (asked >= ASKED)
    assert tapes.replays >= 3


def test_work_is_captured_when_asking_has_taken_as_long_as_a_capture(
    tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "WORTH_S", 10.0)
    clock = iter([0.0, 4.0, 10.0, 10.5, 20.0, 23.0, 30.0, 33.0])
    monkeypatch.setattr(captured.time, "perf_counter", lambda: next(clock))  # 4, 0.5, 3 and 3 seconds
    captures = Captures(tapes, doubled)
    for _ in range(4):
        captures(numbers(3))
        assert tapes.captures == 0
    captures(numbers(3))
    assert tapes.captures == 1


def test_each_form_of_what_is_given_is_captured_by_itself_and_not_more_than_a_few(tapes: Tapes) -> None:
    captures = Captures(tapes, doubled)
    for size in range(1, MOST + 3):
        for _ in range(ASKED + 1):
            assert captures(numbers(size))[0].tolist() == (2 * numbers(size)).tolist()
    assert tapes.captures == MOST


def test_work_that_looks_at_a_number_is_asked_for_as_before(tapes: Tapes) -> None:
    captures = Captures(tapes, lambda x: (x * x.sum().item(),))
    for _ in range(ASKED + 2):
        assert captures(numbers(3))[0].tolist() == [0, 3, 6]
    assert (tapes.captures, tapes.replays, captures.replays) == (0, 0, False)


def test_work_that_depends_on_more_than_tensors_is_asked_for_as_before(tapes: Tapes) -> None:
    """Here on how often it was asked, which a replay cannot know."""
    count = iter(range(100))
    captures = Captures(tapes, lambda x: (x + next(count),))
    found = [captures(numbers(1))[0].item() for _ in range(ASKED + 3)]
    assert found == sorted(set(found)), "every one is an answer of its own"


def test_work_whose_replay_changes_another_tensor_than_asking_is_asked_for_as_before(tapes: Tapes) -> None:
    kept = [torch.zeros(1, dtype=torch.float64)]

    def work(x: Tensor) -> tuple[Tensor]:
        kept[0].add_(1)
        return (x,)

    captures = Captures(tapes, work, kept)
    for _ in range(ASKED + 1):
        captures(numbers(1))
    assert captures.ways[((torch.Size([1]), torch.float64),)] is work


def test_a_replay_that_is_no_faster_is_not_used(tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Captures, "seconds", lambda self, work, given: 1.0)
    captures = Captures(tapes, doubled)
    for _ in range(ASKED + 1):
        captures(numbers(3))
    before = tapes.replays
    captures(numbers(3))
    assert tapes.replays == before


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
    "another loss": ("loss=softmax_squared",),
    "a rule that asks twice": ("optimizer=sam",),
    "a line search": ("optimizer=strong_wolfe",),
    "divergence": ("lr=1e30",),
}


def trained(name: str, path: Path) -> list[Left]:
    one = run("epochs=6", *COMPANY[name])
    company = [replace(one, seed=seed, lr=one.lr / (1 + seed)) for seed in range(3)]
    found = [alone(company[0], path / "alone")]
    if one.optimizer.gradients != "freely":
        found += together(company, numbered(path, 3))
    return found


@pytest.mark.parametrize("name", COMPANY)
def test_training_by_replays_leaves_the_same_bits(
    name: str, tmp_path: Path, tapes: Tapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = trained(name, tmp_path / "asked")
    monkeypatch.setattr(runs, "capturer_of", lambda device: tapes)
    replayed = trained(name, tmp_path / "replayed")
    assert all(same(one, other) for one, other in zip(asked, replayed, strict=True))
    if name != "divergence":
        assert tapes.captures >= IN_EPOCH
        assert tapes.replays >= IN_EPOCH * len(asked)


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
