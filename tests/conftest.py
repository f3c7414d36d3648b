from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The order of a sum is that of one thread, and a busy machine does not make a small test wait for a second one."""
    torch.set_num_threads(1)
