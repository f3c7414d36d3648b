"""What optimizers of torch remember, as the trees that a checkpoint holds, and back.

A checkpoint holds numbers, texts, tensors, lists, tuples and dictionaries whose keys are numbers or texts. Three kinds
of things that are met beside these become a dictionary with the one key `optrun`: queues, dtypes, and dictionaries
with other keys. All else (an object of a class of the optimizer's own) has no place there.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

TAG = "optrun"
DTYPES = {
    str(dtype): dtype
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool)
}


class Unkept(Exception):
    """The kind of a thing that has no place in a checkpoint."""


def plain(tree: Any) -> Any:
    """The tree as a checkpoint holds it; an `Unkept` names the first thing that has no place there.

    >>> plain({(0, 1): deque([1.0], maxlen=2)})
    {'optrun': ['pairs', [[(0, 1), {'optrun': ['queue', 2, [1.0]]}]]]}
    """
    match tree:
        case None | bool() | int() | float() | str() | Tensor():
            return tree
        case list() | tuple():
            return type(tree)(map(plain, tree)) if type(tree) in (list, tuple) else tuple(map(plain, tree))
        case deque():
            return {TAG: ["queue", tree.maxlen, [plain(item) for item in tree]]}
        case torch.dtype() if str(tree) in DTYPES:
            return {TAG: ["dtype", str(tree)]}
        case dict() if all(isinstance(key, str | int | float) for key in tree):
            return {key: plain(item) for key, item in tree.items()}
        case dict():
            return {TAG: ["pairs", [[plain(key), plain(item)] for key, item in tree.items()]]}
        case _:
            raise Unkept(type(tree).__name__)


def lively(tree: Any) -> Any:
    """The tree that `plain` was given.

    >>> tree = {"queue": deque([1.0], maxlen=2), (0, 1): [torch.float32, {0.9: None}]}
    >>> lively(plain(tree)) == tree
    True
    """
    match tree:
        case dict() if tree.keys() == {TAG}:
            return revived(*tree[TAG])
        case dict():
            return {key: lively(item) for key, item in tree.items()}
        case list() | tuple():
            return type(tree)(map(lively, tree))
        case _:
            return tree


def revived(kind: str, *content: Any) -> Any:
    """One of the three kinds."""
    match kind, *content:
        case "queue", longest, items:
            return deque(map(lively, items), maxlen=longest)
        case "dtype", name:
            return DTYPES[name]
        case _:
            return {lively(key): lively(item) for key, item in content[0]}
