"""A second device for machines that have none: it refuses the tensors of the processor, and has its numbers.

`known()` is a device to torch, `elsewhere:0`. Its tensors hold their numbers in a tensor of the processor that nobody
else can reach, and every operation on them is that of the processor on these. As on a GPU, an operation on tensors of
both places is an error, with the exceptions that torch makes for a GPU: copies, single numbers, and rows chosen by
numbers that lie on the processor.

So the whole program runs as it would on a GPU, and gives the numbers of the processor to the bit, as long as every
tensor is where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from tests.core.taped import Tape

NAME = "elsewhere"
THERE = f"{NAME}:0"
ATEN = torch.ops.aten
# Operations that a GPU does with the second tensor where it lies.
MIXED = (
    ATEN.copy_.default,
    ATEN._to_copy.default,
    ATEN.index.Tensor,
    ATEN.index_put_.default,
    ATEN._index_put_impl_.default,
)


class Elsewhere(Tensor):
    """A tensor of the second device; `held` are its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        made: Elsewhere = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=torch.device(NAME, 0), requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, other: Elsewhere) -> None:
        Tensor.data.__set__(self, other)  # type: ignore[attr-defined]
        self.held = other.held

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def tolist(self) -> Any:
        return self.held.tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"{self.held!r} {NAME}"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return done(func, args, kwargs or {})


def done(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operation gives, whose numbers the processor computes."""
    given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
    there = any(isinstance(each, Elsewhere) for each in given)
    if there and func not in MIXED:
        strangers = [each for each in given if not isinstance(each, Elsewhere) and each.dim()]
        if strangers:
            raise RuntimeError(f"{func}: tensors on {NAME} and on {strangers[0].device}")
    numbers = kwargs.get("generator")
    if there and numbers is not None and numbers._cdata not in OURS:
        raise RuntimeError(f"{func}: numbers for cpu, and a tensor on {NAME}")
    place = kwargs.get("device")
    goes = there if place is None else torch.device(place).type == NAME
    named = {name: value for name, value in kwargs.items() if name not in ("device", "pin_memory")}
    if place is not None:
        named["device"] = torch.device("cpu")
    known = {id(each.held): each for each in given if isinstance(each, Elsewhere)}
    found = func(*tree_map(plain, args), **tree_map(plain, named))
    if func is ATEN.copy_.default and not isinstance(args[0], Elsewhere):
        return args[0]
    return tree_map(lambda each: wrapped(each, known) if goes and isinstance(each, Tensor) else each, found)


def plain(value: Any) -> Any:
    return value.held if isinstance(value, Elsewhere) else value


def wrapped(held: Tensor, known: dict[int, Elsewhere]) -> Tensor:
    """A tensor of the device: the one that was given, where the operation has changed that."""
    return known[id(held)] if id(held) in known else Elsewhere(held)


def empty(size: Sequence[int], **kwargs: Any) -> Tensor:
    return Elsewhere(torch.empty(size, dtype=kwargs.get("dtype")))


def empty_strided(size: Sequence[int], stride: Sequence[int], **kwargs: Any) -> Tensor:
    return Elsewhere(torch.empty_strided(size, stride, dtype=kwargs.get("dtype")))


def copy_from(source: Tensor, target: Any, non_blocking: bool = False) -> Any:
    """What torch does for `new_tensor`, unseen by any tensor."""
    if Tape.running:
        raise RuntimeError("numbers are fetched from the processor, while the device is capturing")
    target.held.copy_(plain(source))
    return target


@cache
def known() -> torch.device:
    """The second device, made known to torch."""
    _setup_privateuseone_for_python_backend(NAME)
    torch.library.impl("aten::empty.memory_format", "privateuseone")(empty)
    torch.library.impl("aten::empty_strided", "privateuseone")(empty_strided)
    torch.library.impl("aten::_copy_from", "privateuseone")(copy_from)
    return torch.device(NAME, 0)


class Numbers(torch.Generator):
    """Numbers for the device where they are asked for; drawn by the processor, so that they are its own."""

    def __new__(cls, place: torch.device | str = "cpu") -> Any:
        made = GENERATOR("cpu")
        if torch.device(place).type == NAME:
            OURS[made._cdata] = made
        return made


GENERATOR = torch.Generator
OURS: dict[int, torch.Generator] = {}  # by the place where torch keeps them: kept, lest another comes to lie there
