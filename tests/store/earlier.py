"""Run folders as earlier versions left them."""

from __future__ import annotations

import json
from pathlib import Path

from runner.store import folder as store
from runner.store.base import write_json


def unsealed_by_an_earlier_version(path: Path) -> None:
    """Make a run folder one of format 1, in which summary.json had no hash."""
    manifest = json.loads((path / "manifest.json").read_text()) | {"format": 1}
    write_json(path / "manifest.json", store.sealed({k: v for k, v in manifest.items() if k != "sha256"}))
    summary = json.loads((path / "summary.json").read_text())
    write_json(path / "summary.json", {k: v for k, v in summary.items() if k != "sha256"})
