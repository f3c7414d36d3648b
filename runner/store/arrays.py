"""What the preprocessing learned of the training part, in a file of the run folder."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from runner.core.errors import CorruptError
from runner.store.base import disk

MARGIN = 4096  # bytes of headers in which an npz may differ


def packed(arrays: dict[str, Any]) -> bytes:
    """Arrays as an uncompressed npz, equal bytes for equal arrays: numpy dates every member 1980."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def refuse_others(file: Path, now: dict[str, Any]) -> None:
    """`CorruptError` where the file does not hold what the preprocessing learns of the training part now."""
    if not file.exists():
        raise CorruptError(f"{file} is missing, which holds what the preprocessing learned when the run was started")
    with disk(file, "read"):
        data = file.read_bytes()
    wanted = packed(now)
    if data == wanted:
        return
    try:  # another version of numpy may write the same arrays in other bytes
        kept = unpacked(data, most=2 * len(wanted) + MARGIN)
    except Exception as error:  # zipfile and numpy raise what they like at bytes that nobody wrote
        raise CorruptError(f"{file} is damaged: {error}") from None
    if kept.keys() != now.keys() or any(not np.array_equal(kept[name], now[name]) for name in kept):
        raise CorruptError(f"{file} does not hold what the preprocessing learns of the training part now")


def unpacked(data: bytes, most: int) -> dict[str, Any]:
    """The arrays in an npz of at most so many bytes, packed or not."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > most:
            raise ValueError(f"it unpacks to more than {most} bytes")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
