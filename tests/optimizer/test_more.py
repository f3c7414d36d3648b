"""The optimizers of pytorch_optimizer, by name; skipped where it is not installed (the extra `more`)."""

from __future__ import annotations

import warnings

import pytest

from runner import build
from runner.core.errors import ConfigError
from runner.optimizer.base import Optimizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pytorch_optimizer")


@pytest.mark.parametrize("name", ["Lion", "AdaBelief", "Adan", "DAdaptAdam", "Prodigy", "ScheduleFreeAdamW"])
def test_a_class_of_theirs_is_a_choice_by_its_dotted_path(name: str) -> None:
    node = {"_target_": f"pytorch_optimizer.{name}", "lr": 0.01}
    rule = build.choice("optimizer", node, Optimizer, ())
    assert rule.label == name


def test_one_that_wants_another_optimizer_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="missing 1 required positional argument: 'base_optimizer'"):
        build.choice("optimizer", {"_target_": "pytorch_optimizer.SAM", "lr": 0.01}, Optimizer, ())
