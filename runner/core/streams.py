"""Named random streams: every consumer has its own, derived from (seed, name, epoch).

Two runs with one seed share their initial weights and their batches whatever the optimizer; adding a consumer
shifts nobody's numbers; a resumed run needs counters only, since the stream of an epoch depends on nothing that
happened before it.

The 64-bit key of a stream is the head of SHA-256("optrun|seed|name|epoch"). torch's CPU generator, a Mersenne
twister, keeps only the low 32 bits of its seed, so numpy's Philox would separate streams better; what is needed
here are independent-looking streams for a few names and some thousand epochs, where a clash (probability about
n^2 / 2^33) costs one repeated permutation and nothing else.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def key(seed: int, name: str, epoch: int = 0) -> int:
    """The 64-bit seed of one stream.

    >>> key(0, "init") == key(0, "init"), key(0, "init") == key(0, "order"), key(0, "order", 1) == key(0, "order", 2)
    (True, False, False)
    """
    digest = hashlib.sha256(f"optrun|{seed}|{name}|{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def stream(seed: int, name: str, epoch: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one consumer in one epoch (0: before the first)."""
    return torch.Generator(device).manual_seed(key(seed, name, epoch))


def seed_of(theta: Tensor) -> int:
    """A 64-bit seed from the initial weights, which the seed of the run has drawn: for a rule that draws numbers."""
    return int.from_bytes(hashlib.sha256(theta.cpu().numpy().tobytes()).digest()[:8], "little")
