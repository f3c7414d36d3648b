"""optrun on a clock that runs fifty times as fast, so that it commits every 20 ms: more moments to be killed at."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

from runner import cli, job, train
from runner.store import folder, pulse

SPEED = 50

if __name__ == "__main__":
    fast = SimpleNamespace(monotonic=lambda: SPEED * time.monotonic(), sleep=time.sleep, time=time.time)
    train.time = folder.time = pulse.time = fast  # type: ignore[attr-defined, assignment]
    folder.SHARE = 0  # the cost of a commit is real
    job.drawn = lambda path: []  # pictures are derived, and drawing them takes longer than the run
    sys.exit(cli.command())
