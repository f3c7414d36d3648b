"""Mutated files: every parser answers with a table, or with the error that is its own, and with nothing else.

In full (OPTRUN_FAULTS=full) there are a million of them, and how many is written for the table of `optrun selftest`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.errors import CorruptError, DataError
from runner.dataset.csv import Csv
from runner.dataset.idx_format import read_idx
from runner.dataset.npy import Npy
from runner.dataset.npz import Npz
from runner.run import refuse_bad_values
from runner.store import checkpoint

FULL = os.environ.get("OPTRUN_FAULTS") == "full"
MUTATED = 1_000_000 if FULL else 4_000  # files, over all parsers
PIECES = (
    b"\0",
    b"\xff",
    b"\n",
    b",",
    b'"',
    b"nan",
    b"-1",
    b"9" * 30,
    b"\x93NUMPY",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"[" * 99,
)

ONE_FOLDER = [HealthCheck.function_scoped_fixture]  # for all examples, each of which replaces the file in it

Parser = Callable[[Path], object]


def saved(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archived() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=X, y=Y)
    return file.getvalue()


X, Y = np.arange(24.0).reshape(12, 2), np.arange(12.0) % 2
CSV = "width,height,kind\n" + "".join(f"{n}.5,{n % 5},{'rose' if n % 3 else 'lily'}\n" for n in range(12))
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(48))
WHOLE = {
    "csv": CSV.encode(),
    "idx": IDX,
    "idx.gz": gzip.compress(IDX, mtime=0),
    "npy": saved(X),
    "npz": archived(),
    "ckpt": checkpoint.encode(
        {"theta": torch.arange(8.0), "step": 3, "memory": {"m": [torch.ones(2, 3), None, "text"]}}
    ),
}


def table_of_npy(path: Path) -> object:
    target = path.with_name("y.npy")
    target.write_bytes(saved(Y))
    return refuse_bad_values(Npy(path=str(path), target=str(target), targets="numbers").load())


PARSERS: dict[str, Parser] = {
    "csv": lambda path: Csv(path=str(path)).load(),
    "idx": lambda path: read_idx(str(path), "dataset.path", 64),
    "idx.gz": lambda path: read_idx(str(path), "dataset.path", 64),
    "npy": table_of_npy,
    "npz": lambda path: refuse_bad_values(Npz(path=str(path), targets="numbers", memory_mb=64).load()),
    "ckpt": checkpoint.read,
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bits flipped, bytes replaced, pieces cut out, doubled, put in, or the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        place = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 2, 4, 16, 64))
        match chance.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(changed):
                changed[place] = chance.randrange(256)
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length]
            case 4:
                changed[place:place] = chance.choice(PIECES)
            case _:
                del changed[place:]
    return bytes(changed)


def answered(kind: str, data: bytes, path: Path) -> None:
    """Read a file; a parser may refuse it, as data or as a checkpoint, and nothing else may happen."""
    path.write_bytes(data)
    with suppress(DataError, CorruptError):
        PARSERS[kind](path)


@pytest.mark.parametrize("kind", PARSERS)
def test_a_mutated_file_is_read_or_refused_and_never_a_bug(kind: str, tmp_path: Path) -> None:
    chance, path, count = random.Random(kind), tmp_path / f"data.{kind}", -(-MUTATED // len(PARSERS))
    answered(kind, WHOLE[kind], path)
    for number in range(count):
        data = mutated(WHOLE[kind], chance)
        try:
            answered(kind, data, path)
        except Exception as error:
            raise AssertionError(f"mutation {number} of {kind}: {data!r}") from error
    if FULL and (folder := os.environ.get("OPTRUN_COUNTED")):
        area = "corruption" if kind == "ckpt" else "bad_data"
        about = {"area": area, "what": f"mutated {kind} files", "trials": count}
        (Path(folder) / f"parsers-{kind}.json").write_text(json.dumps(about))


@pytest.mark.parametrize("kind", PARSERS)
@settings(
    max_examples=20_000 if FULL else 60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_behind_a_good_beginning_are_read_or_refused(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(WHOLE[kind])))
    answered(kind, WHOLE[kind][:kept] + data.draw(st.binary(max_size=200)), tmp_path / f"data.{kind}")


def test_a_flipped_bit_of_a_checkpoint_is_always_found(tmp_path: Path) -> None:
    whole = WHOLE["ckpt"]
    for place in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            with pytest.raises((ValueError, KeyError, TypeError, IndexError, RuntimeError)):
                checkpoint.decode(bytes(data))
