"""How a sweep is run, as its command says it; and how one that is taken up again goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from runner.screen.base import Screen
from runner.sweep.engine import kept
from runner.sweep.engine.auto import Auto
from runner.sweep.engine.base import Engine, Workers
from runner.sweep.group import Lanes


@dataclass(frozen=True)
class Way:
    """How a sweep is run.

    plugins  packages of the user's that the command line names
    workers  processes, or auto: one for each processor
    lanes    how many runs side by side at most, auto or off
    engine   where: in this process, in workers, on a cluster
    named    whether the command line names the engine; else a sweep that is taken up again keeps its own
    """

    plugins: tuple[str, ...]
    screen: Screen
    workers: Workers = "auto"
    lanes: Lanes = "auto"
    engine: Engine = field(default_factory=Auto)
    named: bool = False

    def threads(self, jobs: int) -> int | str:
        """What `threads=auto` is in a sweep of so many jobs."""
        return self.engine.threads(self.engine.workers(jobs, self.workers))

    def about(self, title: str, command: str, metrics: dict[str, str], jobs: int) -> dict[str, Any]:
        """What stands in sweep.json beside the list of its jobs, of which there will be so many."""
        return {
            "title": title,
            "command": command,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "metrics": metrics,
            "threads": self.threads(jobs),
            "lanes": self.lanes,
            "engine": kept.noted(self.engine, self.workers),
        }

    def again(self, about: Mapping[str, Any]) -> Way:
        """The way in which a sweep goes on that was started with what stands in `about`; says which engine that is.

        Raises `ConfigError` where the engine cannot be had here, or may not be taken from a file.
        """
        noted = about.get("engine")
        if noted and not self.named:
            engine, workers = kept.again(noted)
            way = replace(self, engine=engine, workers=workers if self.workers == "auto" else self.workers)
            if type(engine) is not Auto:
                self.screen.say(f"{kept.words(noted)}, as it was started; engine=NAME chooses another")
        else:
            way = self
            if about.get("elsewhere") and not self.named:  # by a version that did not note its engine
                self.screen.say(
                    "the sweep was started on a cluster, and goes on here; engine=NAME chooses another place"
                )
        way.engine.ready(way.workers)
        return way
