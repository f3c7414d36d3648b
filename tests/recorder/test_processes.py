"""A run on several processes has one log, and it is that of the first process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.test_recorder import refuse_other
from tests.parallel.launch import ran
from tests.recorder.reading import of_tensorboard


def test_of_several_processes_the_first_one_records(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    words = ("architecture.hidden=[8]", "epochs=3", "recorder=tensorboard", "hydra.run.dir=run")
    done = ran(2, *words, cwd=tmp_path)
    assert done.code == 0, done.err
    found = of_tensorboard(tmp_path / "run")
    refuse_other(found, tmp_path / "run")
    assert (found.epochs, found.status) == ([1, 2, 3], "completed")
    assert "not_recorded" not in json.loads((tmp_path / "run" / "summary.json").read_text())
