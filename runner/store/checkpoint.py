"""The checkpoint file: tensors and plain values behind their own hash, read without any pickle.

    line 1   optrun-checkpoint 1 <SHA-256 of everything after this line> <length of the header>
    header   JSON: the tree, in which a tensor stands as {"tensor": [dtype, shape, offset, bytes]}
    data     the bytes of the tensors, little-endian, one after the other

torch does not notice flipped bits in its own files, and its safe loader refuses what optimizers keep. Here every byte
is under the hash, and nothing that is read can be more than a number, a text, a list, a dictionary or a tensor.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.core.errors import CorruptError, DiskError
from runner.store.base import disk, synced, write_all

MAGIC = b"optrun-checkpoint 1 "
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}
Buffer = bytes | memoryview
CHUNK = 1 << 20  # bytes that are read back at a time
KEPT = 2  # commits in the folder: the newest, and the one before in case it cannot be read


def write(folder: Path, number: int, content: dict[str, Any], beside: Sequence[Path] = ()) -> Path:
    """Write commit `number` into `folder`, verify it, then remove all but the newest two.

    beside: what must be durable before there is such a commit
    """
    path = folder / f"{number:08d}.ckpt"
    whole = pieces(content)
    temporary = folder / f".{path.name}.tmp"
    with disk(path, "write"):
        try:
            with open(temporary, "w+b", buffering=0) as file:
                for piece in whole:
                    write_all(file.fileno(), piece)
                synced(temporary, *beside)
                file.seek(0)
                if not all(file.read(len(part)) == part for part in parts(whole)) or file.read(1):
                    raise OSError(0, "what was read back is not what was written")
            os.replace(temporary, path)
            synced(folder)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        for old in [each for each in stored(folder) if each.is_file()][KEPT:]:
            old.unlink()
    return path


def stored(folder: Path) -> list[Path]:
    """The commits in a folder, newest first."""
    return sorted(folder.glob("[0-9]" * 8 + ".ckpt"), reverse=True)


def newest(folder: Path) -> tuple[dict[str, Any], Path, list[str]] | None:
    """The newest commit that is whole, its file, and a notice for each newer one that is not; None if there is none.

    Raises `CorruptError` where there are commits and none of them is whole.
    """
    notices: list[str] = []
    for path in stored(folder):
        try:
            return read(path), path, notices
        except (CorruptError, DiskError) as error:
            notices.append(str(error))
    if notices:
        raise CorruptError("; ".join(notices) + ": no commit of this run can be used")
    return None


def read(path: Path) -> dict[str, Any]:
    """The content of one commit; `CorruptError` where a byte is not what was written."""
    if not path.is_file():
        raise CorruptError(f"checkpoint {path} is no file")
    with disk(path, "read"):
        data = path.read_bytes()
    try:
        return decode(data)
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, RecursionError) as error:
        raise CorruptError(f"checkpoint {path} is damaged: {error}") from None


def encode(content: dict[str, Any]) -> bytes:
    """The file for a tree of dictionaries, lists, numbers, texts and tensors."""
    return b"".join(pieces(content))


def pieces(content: dict[str, Any]) -> list[Buffer]:
    """The same in pieces: line 1, the header, the tensors where they lie.

    Not joined, since that copies everything three times: a commit of 18 MB takes 35 ms, not 48.
    """
    chunks: list[Buffer] = []
    header = json.dumps(_pack(content, chunks)).encode()
    digest = sha256([header, *chunks])
    return [MAGIC + digest + b" %d\n" % len(header), header, *chunks]


def sha256(chunks: Iterable[Buffer]) -> bytes:
    """The SHA-256 of bytes that come in chunks, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest().encode()


def parts(whole: Iterable[Buffer]) -> Iterator[bytes]:
    """The same bytes at most a megabyte at a time, as `bytes`: comparing those takes a fifth of hashing them again."""
    for piece in whole:
        for start in range(0, len(piece), CHUNK):
            yield bytes(piece[start : start + CHUNK])


def decode(data: bytes) -> dict[str, Any]:
    """The tree in a file; `ValueError` and its like where it is not one."""
    head, separator, body = data.partition(b"\n")
    if not head.startswith(b"optrun-checkpoint ") or not separator:
        raise ValueError("it does not start like a checkpoint")
    if not head.startswith(MAGIC):
        raise ValueError(f"it was written by a later version ({head[:20].decode('ascii', 'replace')})")
    digest, length = head.removeprefix(MAGIC).split(b" ")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its content does not have the SHA-256 that it states")
    # The head line is not under the hash, so its number is held against the writer's spelling of it.
    if length != b"%d" % int(length) or not 0 < int(length) <= len(body):
        raise ValueError("its header has an impossible length")
    # A longer header would end in spaces out of the data, which JSON does not mind; a shorter one is never whole.
    if body[int(length) - 1 : int(length)] != b"}":
        raise ValueError("its header does not end where it says")
    tree = json.loads(body[: int(length)])
    content = _unpack(tree, memoryview(body)[int(length) :])
    if not isinstance(content, dict):
        raise ValueError("it does not hold a dictionary")
    return content


def _pack(value: Any, chunks: list[Buffer]) -> Any:
    match value:
        case Tensor():
            plain = value.detach().cpu().contiguous()
            if plain.dtype not in DTYPES.values():
                raise TypeError(f"a tensor of {plain.dtype} cannot be kept in a checkpoint")
            raw = plain.reshape(-1).view(torch.uint8).numpy().data
            offset = sum(len(chunk) for chunk in chunks)
            chunks.append(raw)
            return {"tensor": [str(plain.dtype).removeprefix("torch."), list(plain.shape), offset, len(raw)]}
        case dict():
            for key in value:
                if not isinstance(key, str | int | float | None):
                    raise TypeError(f"a {type(key).__name__} as a key cannot be kept in a checkpoint")
            return {"dict": [[key, _pack(item, chunks)] for key, item in value.items()]}
        case list() | tuple():
            return {"list" if isinstance(value, list) else "tuple": [_pack(item, chunks) for item in value]}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be kept in a checkpoint")


def _unpack(value: Any, data: memoryview) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "dict":
        return {key: _unpack(item, data) for key, item in content}
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_unpack(item, data) for item in content)
    if kind != "tensor":
        raise ValueError(f"unknown entry {kind}")
    dtype, shape, offset, size = content
    flat = torch.empty(size, dtype=torch.uint8)
    flat.numpy()[:] = data[offset : offset + size]
    return flat.view(DTYPES[dtype]).reshape(shape)
