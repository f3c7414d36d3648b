"""A device whose work can be captured, played by the processor: it notes every operation, and does them again.

As with a CUDA graph, a replay runs none of the program: the operations work on the tensors that they worked on in the
capture, and their results go where they went. Whoever looks at a number during a capture is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from runner.core.captured import Tensors

ATEN = torch.ops.aten
# On a GPU these wait for it, some of them inside: to see whether a matrix could be taken apart, or how large it is.
LOOKS = {
    *(ATEN._local_scalar_dense.default, ATEN.equal.default, ATEN.nonzero.default),
    *(ATEN._linalg_check_errors.default, ATEN.linalg_matrix_exp.default, ATEN._linalg_eigh.default),
    *(ATEN._linalg_solve_ex.default, ATEN.linalg_inv_ex.inverse),
}


class Tape(TorchDispatchMode):
    """The operations of some work, in order: what is done, on what, and where the results lie.

    running  whether one is
    """

    running: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in LOOKS:
            raise RuntimeError(f"{func} waits for the device, which is capturing")
        places = {each.device for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor) and each.dim()}
        if len(places) > 1:
            raise RuntimeError(f"{func} moves numbers to or from the device, which is capturing")
        found = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, tree_leaves(found)))
        return found

    def play(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, places in self.done:
                for place, result in zip(places, tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(place, Tensor) and not shares(place, result):
                        place.copy_(result)


def shares(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in one place: the second is the first, changed, or a view of the same."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


class Tapes:
    """A `Capturer`; `replays` counts."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def capture(self, work: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        work()
        Tape.running = True
        try:
            with Tape() as tape:
                found = work()
        finally:
            Tape.running = False
        self.captures += 1

        def replay() -> None:
            self.replays += 1
            tape.play()

        return found, replay

    def wait(self) -> None:
        """It computes while it is told."""
