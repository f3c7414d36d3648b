"""The curves of many runs, drawn in several processes."""

from __future__ import annotations

import json
from pathlib import Path

from runner.plot import curves, many


def run(at: Path) -> Path:
    at.mkdir()
    (at / "manifest.json").write_text(json.dumps({"title": at.name, "metrics": {}}))
    (at / "metrics.csv").write_text("epoch,lr,train_loss,val_loss\n1,0.1,2.0,2.5\n2,0.1,1.0,1.5\n")
    return at


def test_two_processes_draw_the_bytes_that_one_draws(tmp_path: Path) -> None:
    folders = [run(tmp_path / name) for name in ("a", "b", "c")]
    assert many.draw(folders, 2) == {}
    drawn = [[(folder / name).read_bytes() for name in ("curves.png", "curves.svg")] for folder in folders]
    assert drawn == [[path.read_bytes() for path in curves.draw(folder)] for folder in folders]


def test_a_run_that_cannot_be_drawn_is_told_and_stops_no_other(tmp_path: Path) -> None:
    whole, broken = run(tmp_path / "whole"), run(tmp_path / "broken")
    (broken / "metrics.csv").unlink()
    cause = f"{broken}/metrics.csv cannot be read: No such file or directory"
    assert many.draw([broken, whole], 2) == {broken: cause}
    assert (whole / "curves.png").exists()


def test_no_run_at_all_is_nothing_to_draw() -> None:
    assert many.draw([], 4) == {}
