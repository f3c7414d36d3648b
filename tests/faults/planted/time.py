"""Folders are named by the second alone, and seconds of training are those of the wall clock."""

from __future__ import annotations

import time

from runner import cli
from runner.store import folder

cli.stamp = lambda: time.strftime("%Y-%m-%d_%H-%M-%S")
folder.time.monotonic = lambda: time.time()
