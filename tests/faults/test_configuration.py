"""Any text as the value of any key: refused with that key, or a run of finite numbers; found by hypothesis."""

from __future__ import annotations

import json
import math
import os
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner import job
from runner.cli import main
from runner.selftest.configuration import BAD

FULL = os.environ.get("OPTRUN_FAULTS") == "full"
KEYS = [*BAD, "optimizer.betas", "optimizer.eps", "architecture.hidden", "architecture.dropout", "dataset.validation"]
SCALARS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(["true", "null", "nan", "inf", "''", "???", "${lr}", "1e400", "\u0661", "0b1"]),
    st.text(string.printable + "é\u202e１", max_size=12),
)
ONE_FOLDER = [HealthCheck.function_scoped_fixture]  # in which each example has one of its own
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4).map(lambda some: "[" + ",".join(some) + "]"))


@settings(max_examples=5_000 if FULL else 60, deadline=None, suppress_health_check=ONE_FOLDER)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_is_refused_by_its_key_or_gives_finite_numbers(
    key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "drawn", lambda path: [])
    if key == "epochs" and value.isdigit() and int(value) > 2:
        return  # a good value, and a long run
    place = tmp_path / str(len(list(tmp_path.iterdir())))
    short = [] if key == "epochs" else ["epochs=1"]
    code = main([*short, "dataset=iris", f"{key}={value}", f"hydra.run.dir='{place}'"])
    said = capsys.readouterr().err
    assert code in (0, 2, 3, 7, 8), said
    assert "Traceback" not in said
    if code == 2:
        assert key.rpartition(".")[2] in said
    if code == 0:
        final = json.loads((place / "summary.json").read_text())["final"]
        assert all(math.isfinite(final[name]) for name in ("train_loss", "val_loss")), final
