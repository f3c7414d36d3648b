from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.core.errors import visible
from runner.screen.base import Header, Row, Screen, conclusion, percent
from runner.screen.output import forget

EPOCHS = 8  # rows of the table
REFRESH_S = 0.1
BAR = 20  # characters of the bar of a sweep, beside which a long line stands


@final
class Terminal(Screen):
    """A table of the last epochs that is redrawn in place, a progress bar, and the time left.

    It is drawn by the training loop itself at most ten times a second; a thread of its own would take the interpreter
    from the loop at moments that it does not choose.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._header: Header | None = None
        self._rows: deque[Row] = deque(maxlen=EPOCHS)
        self._best: Row | None = None
        self._begun = self._drawn = 0.0
        self._share = 0.0

    def say(self, text: str) -> None:
        self.console.print(Text(visible(text)))

    def notice(self, text: str) -> None:
        self.console.print(Text(visible(f"note: {text}"), style="yellow"))

    @contextmanager
    def training(self, header: Header) -> Iterator[None]:
        self._header, self._best, self._share = header, None, 0.0
        self._rows.clear()
        self._begun = time.monotonic()
        self.console.print(Text(visible(header.line), style="bold"))
        self.console.print(Text(visible(header.rule), style="dim"))
        for remark in header.remarks:
            self.notice(remark)
        if header.done:
            self.notice(f"resumed after epoch {header.done}")
        with Live(self._picture(), console=self.console, auto_refresh=False, transient=False) as self._live:
            try:
                yield
            finally:
                self._show(self._picture(over=True))
                self._live = None

    def row(self, row: Row) -> None:
        self._rows.append(row)
        self._share = 0.0
        if self._best is None or row["val_loss"] < self._best["val_loss"]:
            self._best = row
        self._draw()

    def tick(self, share: float) -> None:
        self._share = share
        self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        if self._live is not None and now - self._drawn >= REFRESH_S:
            self._drawn = now
            self._show(self._picture())

    def _show(self, picture: Group) -> None:
        assert self._live is not None
        try:
            self._live.update(picture, refresh=True)
        except OSError:  # the terminal was closed: the run matters, its output does not
            forget(self.console.file)

    def _picture(self, over: bool = False) -> Group:
        header = self._header
        assert header is not None
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        names = ["train_loss", "val_loss", *(f"{part}_{m}" for m in header.metrics for part in ("train", "val"))]
        narrow = self.console.width < 14 * (len(names) + 2)
        if narrow:
            names = [name for name in names if name.startswith("val_")]
        for name in ("epoch", *names, "lr"):
            table.add_column(name, justify="right", style="bold" if name == "val_loss" else "", no_wrap=True)
        for row in self._rows:
            cells = [percent(name, row[name]) for name in names]
            mark, style = ("*", "green") if row is self._best else ("", "")
            table.add_row(f"{mark}{row['epoch']}", *cells, f"{row['lr']:.3g}", style=style)
        if over:
            return Group(table)
        epoch = (self._rows[-1]["epoch"] if self._rows else header.done) + self._share
        line = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(total=header.limit, completed=epoch, width=max(10, min(40, self.console.width - 45)))
        line.add_row(bar, f"epoch {int(epoch)} of at most {header.limit}", self._left(epoch))
        return Group(table, line)

    def _left(self, epoch: float) -> str:
        """The time left if all epochs are needed."""
        assert self._header is not None
        done = epoch - self._header.done
        if done <= 0:
            return ""
        seconds = (time.monotonic() - self._begun) / done * (self._header.limit - epoch)
        return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"

    def ended(self, path: Path, summary: dict[str, Any]) -> None:
        styles = {"completed": "green", "diverged": "red", "expected": "cyan"}
        for label, text in conclusion(path, summary):
            style = "red" if "MISSED" in text else styles.get(label, "")
            self.console.print(
                Text.assemble((f"{label:<11} ", "bold " + style), (visible(text), style if label != "files" else ""))
            )

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        with Live(console=self.console, auto_refresh=False, transient=True) as self._live:
            try:
                yield
            finally:
                self._live = None

    def standing(self, text: str, done: int, total: int) -> None:
        """One line at the bottom of the screen; what is said meanwhile scrolls by above it."""
        now = time.monotonic()
        if self._live is not None and now - self._drawn >= REFRESH_S:
            self._drawn = now
            line = Table.grid(padding=(0, 2, 0, 0))
            line.add_column(width=BAR)
            line.add_column(no_wrap=True, overflow="ellipsis")
            line.add_row(ProgressBar(total=total, completed=done, width=BAR), Text(visible(f"{done}/{total}  {text}")))
            self._show(Group(line))

    def table(self, header: list[str], cells: list[list[str]], caption: str) -> None:
        table = Table(caption=Text(caption), caption_justify="left")
        for name in header:
            table.add_column(Text(visible(name)), justify="right", overflow="fold")
        for row in cells:
            style = "red" if "completed" not in row else "bold green" if row[0] == "1" else ""
            table.add_row(*(Text(visible(cell)) for cell in row), style=style)
        self.console.print(table)
