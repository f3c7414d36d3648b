from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
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


@pytest.fixture
def usual_handling() -> Iterator[None]:
    """The signals as a terminal leaves them, also where the tests run under nohup or in a background job."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
