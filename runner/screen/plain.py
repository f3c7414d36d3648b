from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, final

from runner.core.errors import visible
from runner.screen.base import LISTED, Header, Row, Screen, conclusion, percent
from runner.screen.output import forget

SHOWN = 30  # lines for the epochs of one run
STANDINGS = 40  # lines for the runs of a large sweep


@final
class Plain(Screen):
    """Lines of text; of a long run about thirty, evenly spread."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self._limit = self._every = 1
        self._pending: Row | None = None
        self._next = 0  # how many runs of a sweep have ended when the next line is due

    def say(self, text: str = "") -> None:
        """Print a line; once the reader is gone or its disk is full, print nothing more."""
        try:
            print(visible(text), file=self.out, flush=True)
        except OSError:
            forget(self.out)
        except UnicodeEncodeError:
            print(text.encode("ascii", "replace").decode(), file=self.out, flush=True)

    def notice(self, text: str) -> None:
        self.say(f"note: {text}")

    @contextmanager
    def training(self, header: Header) -> Iterator[None]:
        self.say(header.line)
        self.say(f"rule: {header.rule}")
        for remark in header.remarks:
            self.notice(remark)
        if header.done:
            self.notice(f"resumed after epoch {header.done}")
        self._limit, self._every = header.limit, -(-header.limit // SHOWN)
        self._pending = None
        yield
        if self._pending:
            self._epoch(self._pending)

    def row(self, row: Row) -> None:
        self._pending = row
        if row["epoch"] == 1 or row["epoch"] % self._every == 0:
            self._epoch(row)

    def _epoch(self, row: Row) -> None:
        self._pending = None
        width = len(str(self._limit))
        shown = [name for name in row if name.startswith(("train_", "val_"))]
        cells = "  ".join(f"{name} {percent(name, row[name]):>9}" for name in shown)
        self.say(f"epoch {int(row['epoch']):>{width}}/{self._limit}  {cells}  lr {row['lr']:.3g}")

    def tick(self, share: float) -> None: ...

    def ended(self, path: Path, summary: dict[str, Any]) -> None:
        for label, text in conclusion(path, summary):
            self.say(f"{label + ':':<12} {text}")

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        self._next = 1
        yield

    def standing(self, text: str, done: int, total: int) -> None:
        """In a large sweep about forty lines, evenly spread; in a small one every run has its own."""
        if total > LISTED and done >= self._next:
            self._next = done + -(-total // STANDINGS)
            self.say(f"[{done}/{total}] {text}")

    def table(self, header: list[str], cells: list[list[str]], caption: str) -> None:
        widths = [max(len(row[i]) for row in (header, *cells)) for i in range(len(header))]
        for row in (header, *cells):
            self.say("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        self.say(caption)
