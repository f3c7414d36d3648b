from __future__ import annotations

import pytest
import torch

from runner.core import device as devices
from tests.second import device

device.known()  # before anything is differentiated, for then torch counts the devices that there are


@pytest.fixture(autouse=True)
def second_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a second device."""
    monkeypatch.setattr(devices, "available", lambda: ["cpu", device.THERE])
    monkeypatch.setattr(torch, "Generator", device.Numbers)
    device.OURS.clear()
