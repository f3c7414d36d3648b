"""Folders are named by the second alone."""

from __future__ import annotations

import time

from runner import composing

composing.stamp = lambda: time.strftime("%Y-%m-%d_%H-%M-%S")
