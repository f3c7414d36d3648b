"""The time of a whole process: `optrun` on the default experiment against a script written by hand (`by_hand.py`).

Both start an interpreter, import what they need, read the digits, train the same network for 30 epochs, write a CSV and
a picture, and end. `optrun` checks its configuration and writes manifest, summary, checkpoints with fsync, and a second
picture besides. Threads, caches and everything else are as the machine has them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.turns import Comparison, in_turns

ROOT = Path(__file__).parents[2]
OPTRUN = Path(sys.executable).with_name("optrun")
BY_HAND = Path(__file__).with_name("by_hand.py")


def compared(seconds: float) -> Comparison:
    """`optrun` against the script, wall time, in about so many seconds."""
    with tempfile.TemporaryDirectory(prefix=".bench.", dir=ROOT / "outputs") as scratch:
        sides = {
            "ours": lambda: timed([str(OPTRUN)], scratch),
            "theirs": lambda: timed([sys.executable, str(BY_HAND)], scratch),
        }
        times = in_turns(sides, seconds)
    return Comparison("optrun : by_hand.py", times["ours"], times["theirs"], 0.80)


def timed(command: list[str], folder: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun
