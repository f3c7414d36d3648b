"""What a network keeps beside theta is part of a run's state: saved, restored, kept with the best epoch."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from runner import build, menu
from runner.core.objective import Objective
from runner.run import Run, prepare
from runner.store.checkpoint import newest
from runner.store.folder import RunFolder
from runner.train import columns, evaluate, train

EVALUATIONS = ["running", "exact"]


class Silent:
    def row(self, row: dict[str, float]) -> None: ...

    def tick(self, share: float) -> None: ...


def run(*overrides: str) -> Run:
    with initialize_config_dir(str(menu.conf_dir().resolve()), version_base="1.3"):
        given = ["epochs=4", "lr=0.01", "architecture.hidden=[16,8]", "architecture/normalization=batch"]
        return build.from_hydra(compose("config", [*given, *overrides, "hydra/launcher=basic"]))


def trained(made: Run, path: Path) -> tuple[str, dict[str, float]]:
    """metrics.csv and the test result."""
    m = prepare(made)
    with RunFolder.claim(path, build.to_yaml(made), {"metrics": {}}, columns(made)) as folder:
        ending = train(made, m, folder, Silent())
    return (path / "metrics.csv").read_text(), ending.test


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("evaluation", EVALUATIONS)
@pytest.mark.parametrize("steps", [1, 13, 20, 39])
def test_a_resumed_run_has_the_same_rows_and_the_same_test_result(
    evaluation: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(f"architecture.normalization.evaluation={evaluation}", "architecture.dropout=0.2")
    whole = trained(made, tmp_path / "whole")

    asked = Objective.on
    left = iter(range(steps))

    def on(self: Objective, *given: Any) -> None:
        if next(left, None) is None:
            raise Killed
        asked(self, *given)

    with monkeypatch.context() as patch:
        seconds = itertools.count(1)
        patch.setattr(
            "runner.store.pulse.time", SimpleNamespace(monotonic=lambda: next(seconds))
        )  # a commit is always due
        patch.setattr(RunFolder, "due_at", lambda self: 0.0)
        patch.setattr(Objective, "on", on)
        with pytest.raises(Killed):
            trained(made, tmp_path / "cut")
    with RunFolder.open(tmp_path / "cut") as folder:
        assert folder.restored is not None
        assert folder.restored["step"] == steps
        ending = train(made, prepare(made), folder, Silent())
    assert ((tmp_path / "cut" / "metrics.csv").read_text(), ending.test) == whole


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_the_test_result_is_of_the_statistics_of_the_best_epoch(evaluation: str, tmp_path: Path) -> None:
    # A rate that is too large: the best epoch is not the last one.
    made = run(f"architecture.normalization.evaluation={evaluation}", "lr=0.3", "epochs=8")
    m = prepare(made)
    with RunFolder.claim(tmp_path / "run", build.to_yaml(made), {"metrics": {}}, columns(made)) as folder:
        ending = train(made, m, folder, Silent())
        kept = checkpoint(folder)
        assert ending.best_epoch is not None
        best = folder.rows[ending.best_epoch - 1]
    assert ending.best_epoch < len(folder.rows)
    at_best = evaluate(made.loss, m.objective, kept["best_theta"], m.validation, kept["best_buffers"])
    assert at_best["loss"] == best["val_loss"]
    now = evaluate(made.loss, m.objective, kept["best_theta"], m.validation)
    assert now["loss"] != best["val_loss"]
    assert ending.test == evaluate(made.loss, m.objective, kept["best_theta"], m.test, kept["best_buffers"])


def checkpoint(folder: RunFolder) -> dict[str, Any]:
    found = newest(folder.path / "checkpoint")
    assert found is not None
    content: dict[str, Any] = found[0]["content"]
    return content


def test_exact_statistics_are_those_of_the_training_part_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    made = run("architecture.normalization.evaluation=exact", "epochs=1", "precision=float64")
    m = prepare(made)
    with RunFolder.claim(tmp_path / "run", build.to_yaml(made), {"metrics": {}}, columns(made)) as folder:
        train(made, m, folder, Silent())
        val_loss = folder.rows[-1]["val_loss"]
    first = m.module.layers[0](m.train.x)  # type: ignore[operator, index]
    torch.testing.assert_close(m.objective.buffers["norms.0.mean"], first.mean(0), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(m.objective.buffers["norms.0.var"], first.var(0, correction=0), rtol=1e-11, atol=1e-12)
    # In training mode the mini-batch of all training examples has these very moments.
    with torch.no_grad():
        together = m.module.train()(m.train.x)
    with m.objective.evaluation(m.theta) as network:
        torch.testing.assert_close(network(m.train.x), together, rtol=1e-9, atol=1e-10)
    assert evaluate(made.loss, m.objective, m.theta, m.validation)["loss"] == val_loss


def test_a_network_without_buffers_has_none_in_its_state(tmp_path: Path) -> None:
    made = run("architecture/normalization=none", "epochs=1")
    with RunFolder.claim(tmp_path / "run", build.to_yaml(made), {"metrics": {}}, columns(made)) as folder:
        train(made, prepare(made), folder, Silent())
        kept = checkpoint(folder)
    assert kept["buffers"] == kept["best_buffers"] == {}
