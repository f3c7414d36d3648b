"""Work that a GPU is told once and does many times: CUDA graphs.

A step of a small network asks a GPU for some fifty operations, each of which takes less time than the asking. A capture
notes what is asked for. A replay has the GPU do all of it again at one word, with the numbers that lie in the same
places by then.

Whether work is replayed changes no number: a replay must be seen to give the very bits that asking gives, and sooner;
else the work is asked for as before. So nobody has to choose, and a run that is resumed need not know.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Work = Callable[..., Tensors]
Form = tuple[tuple[torch.Size, torch.dtype], ...]

ASKED = 3  # times at least before work is captured, for at first libraries choose their kernels
WORTH_S = 0.3  # spent on asking before that: about what a capture takes, so that it never costs much more than it saves
MOST = 4  # forms that are captured, since each keeps its memory: an epoch has two, of whole batches and of the last
ROUNDS = 5  # of timing; the shortest counts


class Capturer(Protocol):
    """A device whose work can be captured."""

    def capture(self, work: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        """The tensors in which its results lie, and what has it done again.

        Raises `RuntimeError` for work that waits for the device, or for which there is no memory.
        """

    def wait(self) -> None:
        """Come back when all is done that was asked for."""


@dataclass(frozen=True)
class CudaGraphs:
    """Captures by torch.cuda.graph."""

    device: torch.device

    def capture(self, work: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        with torch.cuda.device(self.device):
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                work()  # libraries take what memory they need for themselves, for each stream
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            # The thread that fetches examples goes on meanwhile, and may do what would spoil a capture of its own.
            with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
                found = work()
        return found, graph.replay

    def wait(self) -> None:
        torch.cuda.synchronize(self.device)


def capturer_of(device: torch.device) -> Capturer | None:
    """What captures work there, None where nothing does: a processor is told as fast as it computes."""
    return CudaGraphs(device) if device.type == "cuda" else None


@dataclass(frozen=True)
class Captured:
    """Work that was captured, as a function of tensors of one form. What it gives is valid until the next call."""

    given: Tensors
    found: Tensors
    replay: Callable[[], None]

    @classmethod
    def of(cls, capturer: Capturer, work: Work, given: Tensors) -> Captured:
        """The work on such tensors."""
        places = tuple(tensor.clone() for tensor in given)
        return cls(places, *capturer.capture(lambda: work(*places)))

    def __call__(self, *given: Tensor) -> Tensors:
        torch._foreach_copy_(self.given, given)
        self.replay()
        return self.found


class Captures:
    """Work as a function of tensors, captured for each form of them that comes again and again.

    work     gives tensors; what it does depends on those it is given and on what lies in tensors that it keeps, on
             nothing else; it never looks at a number
    changes  the tensors that it keeps and writes, which stay the same tensors
    """

    def __init__(self, capturer: Capturer, work: Work, changes: Sequence[Tensor] = ()) -> None:
        self.capturer, self.work, self.changes = capturer, work, tuple(changes)
        self.asked: Counter[Form] = Counter()
        self.spent_s: dict[Form, float] = defaultdict(float)
        self.ways: dict[Form, Work] = {}

    def __call__(self, *given: Tensor) -> Tensors:
        form = tuple((tensor.shape, tensor.dtype) for tensor in given)
        if form in self.ways:
            return self.ways[form](*given)
        if self.asked[form] < ASKED or self.spent_s[form] < WORTH_S or len(self.ways) == MOST:
            return self.noted(form, given)
        self.ways[form] = self.chosen(given)
        return self.ways[form](*given)

    def noted(self, form: Form, given: Tensors) -> Tensors:
        """The work, asked for; how often it was, and how long that took, which is the time that replays save."""
        begun = time.perf_counter()
        found = self.work(*given)
        self.asked[form] += 1
        self.spent_s[form] += time.perf_counter() - begun
        return found

    @property
    def replays(self) -> bool:
        """Whether anything is replayed."""
        return any(way is not self.work for way in self.ways.values())

    def chosen(self, given: Tensors) -> Work:
        """The replay where it gives the same and is faster, else the work itself."""
        try:
            captured = Captured.of(self.capturer, self.work, given)
        except RuntimeError:
            return self.work
        ways: tuple[Work, Work] = self.work, captured
        asked, replayed = (tuple(tensor.clone() for tensor in (*way(*given), *self.changes)) for way in ways)
        if not all(torch.equal(one, other) for one, other in zip(asked, replayed, strict=True)):
            return self.work  # also where a number is NaN
        seconds = [[self.seconds(way, given) for way in ways] for _ in range(ROUNDS)]
        slow, fast = map(min, zip(*seconds, strict=True))
        return captured if fast < slow else self.work

    def seconds(self, work: Work, given: Tensors) -> float:
        """How long it takes, with nothing else to do."""
        self.capturer.wait()
        begun = time.perf_counter()
        work(*given)
        self.capturer.wait()
        return time.perf_counter() - begun
