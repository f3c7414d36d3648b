"""An offline run of Weights & Biases, which its own process writes, beside this one."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from runner.recorder.base import About, Log, Row, outcome

FOLDER = "wandb"
# What would look at the machine, the repository or the terminal, and belongs to no log of numbers.
QUIET = {"silent": True, "console": "off", "disable_git": True, "disable_code": True, "save_code": False}
BLIND = {"x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True}


class Offline(Log):
    """The run. Its file cannot be gone on with, so an earlier one makes room. What was told is in it moments later."""

    def __init__(self, about: About, project: str) -> None:
        folder = about.path / FOLDER
        if folder.is_symlink():
            raise OSError(f"{folder} is a link: a run writes into its own folder alone")
        if folder.exists():
            shutil.rmtree(folder)
        wandb = package()
        self._run = wandb.init(
            mode="offline",
            reinit="create_new",  # runs side by side have one each
            dir=about.path,
            id=about.id,
            project=project,
            name=about.title,
            config=dict(about.settings),
            settings=wandb.Settings(**QUIET, **BLIND),
        )
        self._code = 1
        self.rows(about.rows)

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._run.log(dict(row), step=int(row["epoch"]))

    def end(self, summary: Mapping[str, Any]) -> None:
        self._code = int(summary["status"] != "completed")
        words = {"status": summary["status"], "verdict": summary.get("verdict", "")}
        self._run.summary.update(words | outcome(summary))

    def close(self) -> None:
        self._run.finish(exit_code=self._code)


def package() -> Any:
    """Weights & Biases, which is not to report errors of its library to its makers."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    return importlib.import_module("wandb")
