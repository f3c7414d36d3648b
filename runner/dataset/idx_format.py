"""The IDX format of the MNIST database: a header, and an array of numbers, highest byte first; plain or gzipped.

    0, 0, type, d;   N_1, ..., N_d as 4 bytes each;   N_1 x ... x N_d numbers of that type

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section on file formats.
"""

from __future__ import annotations

import gzip
import math
import zlib
from typing import BinaryIO, cast

import numpy as np

from runner.dataset.arrays import DIMENSIONS, opened, refused, room, within
from runner.dataset.base import Array

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 1 << 20


def read_idx(path: str, key: str, limit_mb: int) -> Array:
    """The array in an idx file, which must be that array and nothing else, of at most `limit_mb`.

    What is unpacked is bounded by what the header says, and that by the limit: a gzip bomb finds no room.
    """
    with opened(path, key) as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
        try:
            return _array(stream, path, limit_mb)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise refused(path, f": {error}", "a whole gzip archive", "fetch or make the file anew") from None


def _array(stream: BinaryIO, path: str, limit_mb: int) -> Array:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not 0 < head[3] <= DIMENSIONS:
        do = "give a file in the idx format, plain or as .gz"
        allowed = f"0, 0, the number of a type (8, 9, 11 to 14) and 1 to {DIMENSIONS} dimensions, as an idx file begins"
        raise refused(path, f": it begins with {list(head)}", allowed, do)
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise refused(path, ": it ends within its header", f"{head[3]} sizes of 4 bytes", "the file is incomplete")
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
    dtype = np.dtype(TYPES[head[2]])
    within(path, room(shape, dtype.itemsize), limit_mb)
    wanted = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) < wanted and (chunk := stream.read(min(CHUNK, wanted - len(data)))):
        data += chunk
    if len(data) < wanted or stream.read(1):
        more = "more" if len(data) == wanted else str(len(data))
        raise refused(
            path,
            f": {more} bytes after a header that announces {' x '.join(map(str, shape))} of type {dtype.name}",
            f"{wanted} bytes, no less and no more",
            "the file is incomplete or damaged: fetch or make it anew",
        )
    return np.frombuffer(data, dtype).reshape(shape)
