"""optrun with a fault in it, or in the company of others, thousands of times: forks of one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from runner.selftest.base import NotHeld
from runner.selftest.fed import fed

MODULE = "runner.selftest.inside.nursery"
USUALLY = {"at": 0, "how": "before"}


class Order(Protocol):
    """Run optrun in a forked child; `inside/nursery.py` says what else can be ordered.

    Raises `NotHeld` where it, or a process that it started, does not end.
    """

    def __call__(self, *argv: str | Path, cwd: Path, **wanted: Any) -> dict[str, Any]: ...


@contextmanager
def nursery() -> Iterator[Order]:
    """A nursery, and how to order from it; one order at a time."""
    with fed(MODULE) as ask:

        def order(*argv: str | Path, cwd: Path, **wanted: Any) -> dict[str, Any]:
            words = [*map(str, argv)]
            answer = ask({"argv": words, "cwd": str(cwd)} | USUALLY | wanted)
            if answer["endless"]:
                said = "\n".join(answer["said"])
                raise NotHeld(f"optrun {' '.join(words)}, {wanted}: {answer['endless']}\n{said}")
            return answer

        yield order
