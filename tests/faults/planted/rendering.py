"""A picture that cannot be drawn fails the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner import job


def pictured(path: Path, screen: Any) -> None:
    raise RuntimeError("no ink")


job.pictured = pictured
