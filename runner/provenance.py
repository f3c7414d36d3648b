"""What a run runs with: the line on the screen before the first epoch, and the manifest of its folder."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runner import __version__, build
from runner.core import device
from runner.run import Material, Run
from runner.screen.base import Header
from runner.store.base import Folder


def header(run: Run, m: Material, folder: Folder) -> Header:
    """What the screen says before the first epoch."""
    sizes = "/".join(str(len(part)) for part in (m.train, m.validation, m.test))
    labels = [f"{run.dataset.label} {sizes}", run.preprocess.label, run.architecture.label]
    labels += [f"{m.layout.size:,} parameters", run.init.label, run.loss.label]
    labels += [run.regularizer.label] if run.regularizer.term else []
    labels += [run.optimizer.label]
    labels += [f"lr {run.lr:g}", run.schedule.label, f"{run.sampler.label} {run.sampler.size(len(m.train))}"]
    threads = f"{m.threads} thread{'s' if m.threads > 1 else ''}"
    labels += [f"seed {run.seed}", f"{device.describe(m.device)}, {threads}"]
    labels += [f"{m.processes} processes"] if m.processes > 1 else []
    return Header(
        line=" · ".join(labels),
        rule=run.optimizer.rule(run.lr),
        remarks=m.remarks,
        limit=run.limit,
        path=folder.path,
        done=len(folder.rows),
        metrics=run.loss.metrics,
    )


def manifest(run: Run, m: Material, command: str) -> dict[str, Any]:
    """What the run ran with."""
    return {
        "title": build.title(run),
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": run.seed,
        "update_rule": run.optimizer.rule(run.lr),
        "equivalent_to": run.optimizer.equivalent_to(run.lr) or "none",
        "metrics": dict(run.loss.metrics),
        "parameters": m.layout.size,
        "rows": {"train": len(m.train), "validation": len(m.validation), "test": len(m.test)},
        "data_sha256": m.data_sha256,
        "start_sha256": m.start_sha256,
        "order_sha256": m.order_sha256,
        "remarks": list(m.remarks),
        "device": device.describe(m.device),
        "threads": m.threads,
        "processes": m.processes,
        "precision": run.precision,
        "versions": versions(),
        "git_revision": git_revision(Path.cwd()),
    }


def versions() -> dict[str, str]:
    """The versions on which the numbers of a run depend."""
    return {
        "optrun": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


@cache
def git_revision(folder: Path) -> str | None:
    """The commit of a folder, with `+` where files differ from it; None outside a repository.

    Asked once in a process: its code is that of its start, and asking takes 3 ms and more.
    """
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=2, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
