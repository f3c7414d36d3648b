"""Folders to tell of, made once: a run, one that diverges, a sweep over two axes and two seeds, and a landscape."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runner import cli
from runner.core.errors import Diverged

SMALL = ("dataset=iris", "architecture.hidden=[8]", "batch_size=20", "epochs=5")
ALONE = ("workers=1", "lanes=off")  # in this process, and nothing is measured; twelve runs draw no curves of their own
DRAWN = "optrun landscape ravine grid=9"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `adam` and `high` and the sweep `grid`; tests read in it, and copy what they change."""
    path = tmp_path_factory.mktemp("house")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("XDG_CACHE_HOME", str(path / "cache"))
        for code, words in (
            (0, ("optimizer=adam", "hydra.run.dir=adam")),
            (Diverged.exit_code, ("optimizer=sgd", "lr=1e6", "hydra.run.dir=high")),
            (0, ("-m", "optimizer=sgd,adam", "lr=0.1,0.01,0.001", "seed=0,1", *ALONE, "hydra.sweep.dir=grid")),
        ):
            patch.setattr("sys.argv", ["optrun", *SMALL, *words])
            assert cli.main([*SMALL, *words]) == code
    return path


@pytest.fixture(scope="session")
def ravine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep `ravine` of a problem, its landscape and its film; tests copy it."""
    path = tmp_path_factory.mktemp("ravine")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("XDG_CACHE_HOME", str(path / "cache"))
        sweep = ("-m", "problem=ravine", "optimizer=sgd,momentum", "lr=0.05", "epochs=8", "workers=1")
        for words in ((*sweep, "hydra.sweep.dir=ravine"), DRAWN.split()[1:]):
            patch.setattr("sys.argv", ["optrun", *words])
            assert cli.main(list(words)) == 0
    return path
