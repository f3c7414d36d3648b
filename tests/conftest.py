from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import runner

# Hydra looks for launchers once in a process. Whichever test composes a configuration first, ours must be found then.
sys.path.append(str(Path(runner.__file__).parent / "plugins"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sweep measures is remembered for the user, not by the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The order of a sum is that of one thread, and a busy machine does not make a small test wait for a second one."""
    torch.set_num_threads(1)
