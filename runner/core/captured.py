"""Work that a GPU is told once and does many times: CUDA graphs.

A step of a small network asks a GPU for some fifty operations, each of which takes less time than the asking. A capture
notes what is asked for. A replay has the GPU do all of it again at one word, with the numbers that lie in the same
places by then.

Whether work is replayed changes no number: a replay must be seen to give the very bits that asking gives, and sooner;
else the work is asked for as before. Both find what they are given in one place, for kernels round differently where
their factors are aligned otherwise. So nobody has to choose, and a run that is resumed need not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Work = Callable[..., Tensors]
Replay = Callable[[], None]
Form = tuple[tuple[torch.Size, torch.dtype], ...]

ASKED = 3  # times at least before work is captured, for at first libraries choose their kernels
WORTH_S = 0.3  # spent on asking before that: about what a capture takes, so that it costs little more than it may save
LONG_S = 0.005  # what takes a device longer is not held up by being asked for, and its capture would keep much memory
MOST = 4  # forms that have a place, which keeps memory: an epoch has two, of whole batches and of the last
ROUNDS = 5  # of timing; the shortest counts


class Capturer(Protocol):
    """A device whose work can be captured."""

    def capture(self, work: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        """The tensors in which its results lie, and what has it done again.

        Raises `RuntimeError` for work that waits for the device, or for which there is no memory.
        """

    def wait(self) -> None:
        """Come back when all is done that was asked for."""


@dataclass(frozen=True)
class CudaGraphs:
    """Captures by torch.cuda.graph."""

    device: torch.device

    def capture(self, work: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        stream = beside(self.device)
        graph = torch.cuda.CUDAGraph()
        # torch.cuda.graph does not give back the stream that it found, if a capture fails.
        with torch.cuda.device(self.device), torch.cuda.stream(stream):
            torch.cuda.synchronize()
            work()  # libraries take what memory they need for themselves, for each stream
            # The thread that fetches examples goes on meanwhile, and may do what would spoil a capture of its own.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                found = work()
        torch.cuda.synchronize(self.device)
        return found, graph.replay

    def wait(self) -> None:
        torch.cuda.synchronize(self.device)


@cache
def beside(device: torch.device) -> torch.cuda.Stream:
    """The one stream for captures there: libraries keep memory for each that they have seen."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def capturer_of(device: torch.device) -> Capturer | None:
    """What captures work there, None where nothing does: a processor is told as fast as it computes."""
    return CudaGraphs(device) if device.type == "cuda" else None


@dataclass
class Place:
    """Where work finds tensors of one form, and what is known of it.

    found, replay  where its results lie, and what has it done again; None while it is asked for
    settled        whether that was decided
    """

    given: Tensors
    asked: int = 0
    spent_s: float = 0.0
    found: Tensors = ()
    replay: Replay | None = None
    settled: bool = False


class Captures:
    """Work of one kind, captured for each form of what it is given that comes again and again.

    changes  the tensors that the work keeps and writes, which stay the same tensors
    worth_s  how long asking is to have taken before that
    """

    def __init__(self, capturer: Capturer, changes: Sequence[Tensor] = ()) -> None:
        self.capturer, self.changes = capturer, tuple(changes)
        self.worth_s = WORTH_S
        self.places: dict[Form, Place] = {}
        self.failed = False  # a capture, after which none is tried: what cannot be captured cannot in another form

    def __call__(self, work: Work, *given: Tensor) -> Tensors:
        """What the work gives; valid until the next call.

        work: gives tensors; what it does depends on those it is given and on what lies in tensors that it keeps, on
            nothing else; it never looks at a number. The same one in every call.
        """
        form = tuple((tensor.shape, tensor.dtype) for tensor in given)
        place = self.places.get(form)
        if place is None:
            if len(self.places) == MOST:
                return work(*given)
            place = self.places[form] = Place(tuple(torch.empty_like(tensor) for tensor in given))
        torch._foreach_copy_(place.given, given)
        if not place.settled and place.asked >= ASKED and place.spent_s >= self.worth_s:
            self.settle(place, work)
        if place.replay is not None:
            place.replay()
            return place.found
        begun = time.perf_counter()
        found = work(*place.given)
        place.asked += 1
        place.spent_s += time.perf_counter() - begun
        return found

    @property
    def replays(self) -> bool:
        """Whether anything is replayed."""
        return any(place.replay is not None for place in self.places.values())

    def settle(self, place: Place, work: Work) -> None:
        """Decide whether the work is replayed there: where that gives the same and is faster."""
        place.settled = True
        if self.failed or self.seconds(lambda: work(*place.given)) > LONG_S:
            return
        try:
            found, replay = self.capturer.capture(lambda: work(*place.given))
            if self.alike(found, replay, lambda: work(*place.given)):
                place.found, place.replay = found, replay
        except RuntimeError:
            self.failed = True

    def alike(self, found: Tensors, replay: Replay, ask: Callable[[], Tensors]) -> bool:
        """Whether a replay leaves the bits that asking leaves, in less time."""
        asked = bits((*ask(), *self.changes))
        replay()
        if not all(map(torch.equal, asked, bits((*found, *self.changes)))):
            return False
        times = [(self.seconds(ask), self.seconds(replay)) for _ in range(ROUNDS)]
        return min(fast for _, fast in times) < min(slow for slow, _ in times)

    def seconds(self, work: Callable[[], object]) -> float:
        """How long it takes, with nothing else to do."""
        self.capturer.wait()
        begun = time.perf_counter()
        work()
        self.capturer.wait()
        return time.perf_counter() - begun


def bits(tensors: Tensors) -> list[Tensor]:
    """Copies of what lies in tensors, as bytes: NaN is equal to itself, and 0 is not -0."""
    return [tensor.detach().clone().reshape(-1).view(torch.uint8) for tensor in tensors]
