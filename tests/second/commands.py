"""The commands that take up a run again, on a second device: they say what they say of the processor's run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner import cli
from tests.second.device import THERE

SMALL = ("dataset=iris", "architecture.hidden=[6]", "epochs=6", "stop=epochs")
COMPANY = {
    "adam": ("optimizer=adam", "probe=several"),
    "a mean of parameters": ("optimizer=schedule_free_adamw",),
    "batch norm": ("optimizer=momentum", "architecture/normalization=batch"),
}
COMMANDS = {
    "doctor": ("doctor", "run"),
    "landscape": ("landscape", "run", "grid=11"),
    "two points": ("landscape", "run", "points=2", "directions=filter", "grid=11"),
    "resume": ("resume", "run"),
    "range": ("lr_range", *SMALL),
}


def said(device: str, words: tuple[str, ...], command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints of a run on a device, without times."""
    assert cli.main([*SMALL, *words, f"device={device}", "hydra.run.dir=run"]) == 0
    capsys.readouterr()
    more = (f"device={device}",) if command[0] == "lr_range" else ()
    assert cli.main([*command, *more]) == 0
    return re.sub(r"[0-9.]+ m?s\b", "", capsys.readouterr().out).replace(device, "")


PAIRS = [("doctor", name) for name in COMPANY] + [
    ("landscape", "a mean of parameters"),
    ("two points", "batch norm"),
    ("resume", "adam"),
    ("range", "adam"),
]


@pytest.mark.parametrize(("command", "name"), PAIRS)
def test_a_command_says_the_same(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for device in ("cpu", THERE):
        place = tmp_path / device.partition(":")[0]
        place.mkdir()
        monkeypatch.chdir(place)
        found.append(said(device, COMPANY[name], COMMANDS[command], capsys))
    assert found[0] == found[1]
    assert found[0]
