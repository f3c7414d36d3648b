"""The nursery, shared by the tests of a module: one interpreter that has imported everything."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runner.selftest.nursery import Order, nursery

FULL = os.environ.get("OPTRUN_FAULTS") == "full"  # every moment and every configuration, instead of a few


@pytest.fixture(scope="session")
def child() -> Iterator[Order]:
    """Run optrun in a forked child; see inside/nursery.py for what can be ordered."""
    with nursery() as order:
        yield order
