"""The bench still measures what it says; how fast it is stays untested, since that is the machine's affair too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.step import Contest, Ours, Theirs, contests, refuse_different


@pytest.mark.parametrize("contest", contests(), ids=lambda contest: f"{contest.hidden} {contest.optimizer.label}")
def test_both_sides_of_a_contest_train_to_the_same_parameters(contest: Contest, tmp_path: Path) -> None:
    ours = Ours(contest.run, tmp_path)
    for rival in contest.rivals:
        refuse_different(ours, Theirs(contest.run, rival.make))
