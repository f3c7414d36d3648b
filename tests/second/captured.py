"""What a step is made of can be captured on a second device: nothing in it looks at a number, or fetches one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner import build
from runner import run as runs
from runner.core import captured
from runner.core.captured import Captures
from runner.core.errors import ConfigError
from tests.core.taped import Tapes
from tests.lanes.sides import alone, numbered, together
from tests.second.choices import words
from tests.second.device import THERE
from tests.test_menu_trains import COMPANY, NEVER, ROOMS, node

IN_STEP = ("architecture", "architecture/normalization", "loss", "regularizer")
PARTS = [(room, name) for room in IN_STEP for name in ROOMS[room] if (room, name) not in NEVER]
# What waits for a GPU inside: it is asked for as before.
NEVER_CAPTURED = [("regularizer", "spectral_orthogonal")]
# torch takes this loss apart for tensors of a device that it knows, and warns that it cannot for others.
ALONE = [("loss", "kl")]


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Tapes:
    """The second device captures, and its replays are faster."""
    made = Tapes()
    monkeypatch.setattr(captured, "WORTH_S", 0)
    fast = iter(range(1 << 30))  # every time is shorter than the one before
    monkeypatch.setattr(Captures, "seconds", lambda self, work: -float(next(fast)))
    monkeypatch.setattr(runs, "capturer_of", lambda device: made)
    return made


@pytest.mark.parametrize(("room", "name"), PARTS)
def test_a_step_is_captured_alone_and_side_by_side(room: str, name: str, tmp_path: Path, tapes: Tapes) -> None:
    for number, company in enumerate(COMPANY):
        try:
            config = node(*("epochs=5" if each == "epochs=2" else each for each in words(room, name, company)))
            one = build.run(config | {"device": THERE})
            alone(one, tmp_path / str(number))
        except ConfigError:
            continue
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("hydra", "omegaconf"):
                raise
            continue
        assert bool(tapes.captures) == bool(tapes.replays) == ((room, name) not in NEVER_CAPTURED)
        if (room, name) not in ALONE + NEVER_CAPTURED:
            before = tapes.captures
            together([replace(one, seed=seed) for seed in range(2)], numbered(tmp_path / f"{number} together", 2))
            assert tapes.captures > before
        return
    pytest.fail("in no company")
