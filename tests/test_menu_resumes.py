"""A run with any optimizer, interrupted in its second and in its third epoch, ends as if nothing had been.

That the state of a rule survives a checkpoint is shown in tests/contract/test_optimizer.py; here it is the whole run:
what a step draws, samples, counts and remembers of the steps before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner import build, job
from runner.screen.base import Silent
from runner.selftest.program import differing, remains
from runner.store import checkpoint, folder
from runner.store.folder import RunFolder
from tests.test_menu_trains import ROOMS, node

EPOCHS = 4
SMALL = ("dataset=iris", "architecture.hidden=[4]", f"epochs={EPOCHS}", "stop=epochs", "seed=1")
ASK_FREELY = {
    *("adahessian", "backtracking", "bfgs", "conjugate_gradient", "coordinate_descent", "exact_step"),
    *("full_matrix_adagrad", "kfac", "lbfgs", "levenberg_marquardt", "newton", "newton_cg", "shampoo", "soap"),
    *("sophia", "sqn", "stochastic_line_search", "stochastic_polyak", "stron", "strong_wolfe", "subsampled_newton"),
    *("trish", "trust_region"),
}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit in every epoch."""
    monkeypatch.setattr(folder, "LEAST_S", 0)
    monkeypatch.setattr(folder, "SHARE", 0)


def test_the_methods_that_ask_for_more_than_gradients_are_on_the_menu() -> None:
    assert set(ROOMS["optimizer"]) >= ASK_FREELY


@pytest.mark.parametrize("name", ROOMS["optimizer"])
def test_a_run_that_is_interrupted_ends_as_if_nothing_had_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = node(*SMALL, f"optimizer={name}")

    def started(path: Path) -> Path:
        job.start(build.run(config), path, "optrun", Silent(), pictures=False)
        return path

    whole = remains(started(tmp_path / "whole"))
    append = RunFolder.append
    for last in (1, 2):  # rows that there are
        path = tmp_path / f"{last}"

        def interrupting(self: RunFolder, *row: Any, last: int = last) -> None:
            if len(self.rows) == last:
                raise KeyboardInterrupt
            append(self, *row)

        with monkeypatch.context() as patch:
            patch.setattr(RunFolder, "append", interrupting)
            with pytest.raises(KeyboardInterrupt):
                started(path)
        found = checkpoint.newest(path / "checkpoint")
        assert found is not None
        assert 0 < found[0]["content"]["step"] < whole["step"], "there is something to go on with, and something to do"
        job.resume(path, (), Silent(), pictures=False)
        assert differing(whole, remains(path)) == []
