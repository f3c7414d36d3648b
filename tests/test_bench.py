"""The bench still measures what it says; how fast it is stays untested, since that is the machine's affair too."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from tests.bench.device import Device, Size, Step
from tests.bench.step import Contest, Ours, Theirs, contests, refuse_different


@pytest.mark.parametrize("contest", contests(), ids=lambda contest: f"{contest.hidden} {contest.optimizer.label}")
def test_both_sides_of_a_contest_train_to_the_same_parameters(contest: Contest, tmp_path: Path) -> None:
    ours = Ours(contest.run, tmp_path)
    for rival in contest.rivals:
        refuse_different(ours, Theirs(contest.run, rival.make))


def test_the_operations_of_a_step_are_those_that_torch_counts() -> None:
    size = Size((16, 24), batch=50, steps=1)
    step = Step(size, Device("cpu"))
    with FlopCounterMode(display=False) as counter:
        step.m.objective.on(step.x, step.y)
        step.m.objective.value_and_grad(step.m.theta)
    assert counter.get_total_flops() == size.operations
