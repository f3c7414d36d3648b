"""One run on several processes: what they tell each other.

Each of N processes works on its share of the rows of a mini-batch, and sums make the numbers whole again:

    L = sum_r w_r L_r,    w_r = B_r / B,    B = sum_r B_r

with L_r the mean over the B_r rows of process r. The gradient, the moments of a batch norm and the metrics are such
sums too. A sum has the same bits on every process, so that all of them take the same decisions from it. What depends on
a clock or on a signal is decided by one and told to all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from runner.core.errors import ConfigError, Interrupted, ProcessLost
from runner.core.launched import VOICE, Place

# In the store of the launcher:
SPOKEN = "optrun/spoken"  # a counter: who makes it 1 says how the command ended
EARLY = "optrun/early"  # what process 0 says first


class Processes:
    """The processes of this run.

    Every method but `early`, `close` and `portion` must be called by all of them, in the same order, after they have
    joined; it waits for the others and raises `ProcessLost` where one is gone.
    """

    def __init__(self, place: Place) -> None:
        self.rank, self.size, self.local_size = place.rank, place.size, place.local_size
        self._device = torch.device("cpu")
        with lost_noticed():
            self._store, _, _ = next(rendezvous("env://"))
        VOICE.met(self._first)

    def _first(self) -> bool:
        """Whether this process is the first to ask."""
        try:
            return int(self._store.add(SPOKEN, 1)) == 1
        except RuntimeError:  # the store went with the process that kept it: better twice than never
            return True

    def early(self, text: str) -> str:
        """What process 0 says before they have joined; what the others give is not looked at."""
        with lost_noticed():
            if self.writes:
                self._store.set(EARLY, text)
            return str(self._store.get(EARLY).decode())

    def join(self, device: torch.device) -> None:
        """Open the connections; `device` is where the tensors that are exchanged lie."""
        self._device = device
        backend = "nccl" if device.type == "cuda" else "gloo"
        with lost_noticed():
            dist.init_process_group(backend, store=self._store, rank=self.rank, world_size=self.size)

    def close(self) -> None:
        """Close the connections, if they were opened: threads of theirs that are left at the end abort the process."""
        if dist.is_initialized():
            dist.destroy_process_group()

    @property
    def writes(self) -> bool:
        """Whether this process writes the files of the run and shows it on the screen."""
        return self.rank == 0

    def portion(self, size: int) -> Portion:
        """The rows of this process among `size` of them.

        With fewer rows than processes, one without rows of its own takes a row of another with weight 0: its network
        then has something to work on, and it takes part in every sum.
        """
        begin, end = self.rank * size // self.size, (self.rank + 1) * size // self.size
        if begin == end:
            begin = min(begin, size - 1)
            return Portion(self, slice(begin, begin + 1), 0, size)
        return Portion(self, slice(begin, end), end - begin, size)

    def add(self, tensor: Tensor) -> None:
        """Replace a tensor by the sum of all of them."""
        with lost_noticed():
            dist.all_reduce(tensor)

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over the processes, in float64."""
        vector = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        self.add(vector)
        found: list[float] = vector.tolist()
        return found

    def each(self, number: float) -> list[float]:
        """The number of every process, by rank."""
        return self.sums([number if rank == self.rank else 0.0 for rank in range(self.size)])

    def told(self, data: bytes) -> bytes:
        """What process 0 says; what the others give is not looked at."""
        (length,) = self.sums([float(len(data)) if self.writes else 0.0])
        text = torch.zeros(int(length), dtype=torch.uint8, device=self._device)
        if self.writes:
            text.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        with lost_noticed():
            dist.broadcast(text, 0)
        return text.cpu().numpy().tobytes()

    def stranger(self, data: bytes) -> int | None:
        """The first process that has other bytes than process 0, None where all have the same."""
        # 48 bits of the hash, which a float64 holds exactly: an accident has one chance in 10^14
        digests = self.each(float(int.from_bytes(hashlib.sha256(data).digest()[:6], "little")))
        return next((rank for rank, digest in enumerate(digests) if digest != digests[0]), None)

    def refuse_strangers(self, facts: Mapping[str, str]) -> None:
        """`ConfigError` where the processes were started with other facts, which are named in words."""
        for name, fact in facts.items():
            rank = self.stranger(fact.encode())
            if rank is not None:
                raise ConfigError(
                    "",
                    f"process {rank}",
                    allowed=f"{name} as in process 0, since all train the same parameters",
                    do="start all processes by the same command, with the same data and versions on every machine",
                )

    @contextmanager
    def leaving_together(self) -> Iterator[None]:
        """Nobody goes on from here before all are here: a launcher ends the others when one process ends with an error.

        An end that only one process comes to is passed on at once.
        """
        try:
            yield
        except Interrupted:  # which all of them are, at the same step
            self.sums([0.0])
            raise
        self.sums([0.0])


@dataclass(frozen=True)
class Portion:
    """The rows of a mini-batch that a process works on.

    counted  how many of them count: all, or none
    whole    B, the rows of the whole mini-batch
    """

    among: Processes
    rows: slice
    counted: int
    whole: int

    @property
    def weight(self) -> float:
        """w_r, the share of the mini-batch."""
        return self.counted / self.whole

    def total(self, x: Tensor) -> Tensor:
        """sum_r w_r x_r, which can be differentiated, also twice."""
        found: Tensor = AllSum.apply(x * self.weight, self.among)  # type: ignore[no-untyped-call]
        return found


class AllSum(torch.autograd.Function):
    """y = sum_r x_r on every process; as each of the losses may depend on y, dL/dx_r = sum_s dL_s/dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, among: Processes) -> Tensor:
        ctx.among = among
        total = x.clone()
        among.add(total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return AllSum.apply(slope.contiguous(), ctx.among), None  # type: ignore[no-untyped-call]


@contextmanager
def lost_noticed() -> Iterator[None]:
    """Turn what torch says of a connection that is gone into `ProcessLost`."""
    try:
        yield
    except RuntimeError as error:
        clear_frames(error.__traceback__)  # they hold the connections, which `close` could not close otherwise
        # without the place in torch's source, and without torch's guess
        cause = re.sub(r"^\[[^]]*\] ", "", str(error).splitlines()[0]).partition(". ")[0]
        raise ProcessLost(f"a process of this run was lost ({cause})") from error
