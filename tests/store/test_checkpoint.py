"""The checkpoint file: what goes in comes out, and nothing that was damaged ever comes out."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from runner.core.errors import CorruptError, DiskError
from runner.store import checkpoint


def raw(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def stored_at(folder: Path, content: dict[str, Any], number: int = 1) -> Path:
    return checkpoint.write(folder, number, content)


# ---- what goes in comes out


@pytest.mark.parametrize("dtype", checkpoint.DTYPES.values(), ids=checkpoint.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (5,), (2, 3, 4)], ids=str)
def test_a_tensor_comes_back_with_its_type_shape_and_every_bit(
    dtype: torch.dtype, shape: tuple[int, ...], tmp_path: Path
) -> None:
    size = math.prod(shape) * torch.empty(0, dtype=dtype).element_size()
    noise = torch.randint(0, 2 if dtype is torch.bool else 256, (size,), dtype=torch.uint8)
    tensor = noise.view(dtype).reshape(shape)
    back = checkpoint.read(stored_at(tmp_path, {"before": torch.arange(3), "x": tensor, "after": 1}))
    assert (back["x"].dtype, tuple(back["x"].shape), raw(back["x"])) == (dtype, shape, raw(tensor))
    assert back["before"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        (torch.float64, [0x7FF8DEADBEEF0001, 0x7FF0000000000001, -1, -0x8000000000000000, 1]),
        (torch.float32, [0x7FC0BEEF, 0x7F800001, -1, -0x80000000, 1]),
        (torch.bfloat16, [0x7FC1, 0x7F81, -1, -0x8000, 1]),
        (torch.float16, [0x7E01, 0x7C01, -1, -0x8000, 1]),
    ],
    ids=str,
)
def test_the_payload_of_a_nan_minus_zero_and_the_smallest_number_keep_their_bits(
    dtype: torch.dtype, bits: list[int], tmp_path: Path
) -> None:
    whole = {8: torch.int64, 4: torch.int32, 2: torch.int16}[dtype.itemsize]
    tensor = torch.tensor(bits, dtype=torch.int64).to(whole).view(dtype)
    assert checkpoint.read(stored_at(tmp_path, {"x": tensor}))["x"].view(whole).tolist() == bits


def test_dictionaries_lists_tuples_and_keys_keep_their_kinds_and_order(tmp_path: Path) -> None:
    content = {
        "state": {0: {"step": 3}, 1: {"step": -(2**70)}, -7: {}},
        "mixed": [1, (2.5, [None, True, False]), (), [], {}, ""],
        "text": 'Größe "θ" \\ \n \x00 😀',
        "b": {2.5: "float", True: "truth", None: "nothing"},
        "a": 0,
    }
    back = checkpoint.read(stored_at(tmp_path, content))
    assert back == content
    assert list(back) == list(content)
    assert [type(key) for key in back["state"]] == [int, int, int]
    assert [type(key) for key in back["b"]] == [float, bool, type(None)]
    assert repr(back) == repr(content)


@given(st.floats(allow_nan=False) | st.integers() | st.text())
def test_a_number_or_a_text_comes_back_exactly(value: float | str) -> None:
    back = checkpoint.decode(checkpoint.encode({"x": value}))["x"]
    assert (type(back), repr(back)) == (type(value), repr(value))


def test_nan_and_the_infinities_come_back() -> None:
    back = checkpoint.decode(checkpoint.encode({"x": [math.inf, -math.inf, math.nan, -0.0]}))["x"]
    assert repr(back) == "[inf, -inf, nan, -0.0]"


def test_a_view_a_parameter_and_a_tensor_out_of_order_are_kept_as_their_values(tmp_path: Path) -> None:
    matrix = torch.arange(12.0).reshape(3, 4)
    content = {"t": matrix.t(), "s": matrix[::2, 1], "p": torch.nn.Parameter(matrix), "c": matrix.expand(2, 3, 4)}
    back = checkpoint.read(stored_at(tmp_path, content))
    for name, tensor in content.items():
        assert torch.equal(back[name], tensor), name
        assert not back[name].requires_grad


def test_what_is_read_is_its_own_memory(tmp_path: Path) -> None:
    back = checkpoint.read(stored_at(tmp_path, {"a": torch.zeros(4), "b": torch.zeros(4)}))
    back["a"].add_(1)
    assert back["b"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "a set cannot be kept in a checkpoint"),
        (b"bytes", "a bytes cannot be kept in a checkpoint"),
        (1j, "a complex cannot be kept in a checkpoint"),
        (Path("x"), "a PosixPath cannot be kept in a checkpoint"),
        (len, "a builtin_function_or_method cannot be kept in a checkpoint"),
        (torch.zeros(2, dtype=torch.complex64), "a tensor of torch.complex64 cannot be kept in a checkpoint"),
        ({(1, 2): 3}, "a tuple as a key cannot be kept in a checkpoint"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_back_is_refused_before_anything_is_written(
    value: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(TypeError) as refused:
        stored_at(tmp_path, {"deep": [{"x": value}]})
    assert str(refused.value) == message
    assert list(tmp_path.iterdir()) == []


# ---- damage


def small() -> dict[str, Any]:
    """About 600 bytes. The data are full of spaces, which JSON would not mind at the end of a header."""
    spaces = torch.full((40,), 0x20, dtype=torch.uint8)
    return {
        "folder": {"metrics": [14, "0" * 64], "elapsed_s": 0.25},
        "content": {"s": spaces, "theta": spaces[:24].view(torch.float64), "i": spaces[:2].view(torch.int16), "b": 1},
    }


def refused(path: Path) -> str:
    with pytest.raises(CorruptError) as error:
        checkpoint.read(path)
    return str(error.value)


def test_every_flipped_bit_is_detected(tmp_path: Path) -> None:
    path = stored_at(tmp_path, small())
    good = path.read_bytes()
    assert 450 < len(good) < 750
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            path.write_bytes(bad)
            assert refused(path).startswith(f"checkpoint {path} is damaged: "), f"bit {bit} of byte {place}"
    path.write_bytes(good)
    checkpoint.read(path)


def test_every_digit_of_the_stated_length_matters(tmp_path: Path) -> None:
    path = stored_at(tmp_path, small())
    head, _, body = path.read_bytes().partition(b"\n")
    right = int(head.split()[-1])
    for length in range(1000):
        if length != right:
            path.write_bytes(head.rsplit(b" ", 1)[0] + b" %d\n" % length + body)
            refused(path)
    for spelling in (b"+%d", b"0%d", b" %d", b"%d ", b"%d_0", b"-%d", b"%d\r"):
        path.write_bytes(head.rsplit(b" ", 1)[0] + b" " + spelling % right + b"\n" + body)
        refused(path)


def test_every_truncation_is_detected(tmp_path: Path) -> None:
    path = stored_at(tmp_path, small())
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        refused(path)


def test_every_byte_too_many_and_every_byte_missing_in_the_middle_is_detected(tmp_path: Path) -> None:
    path = stored_at(tmp_path, small())
    good = path.read_bytes()
    for place in range(len(good) + 1):
        for extra in (b" ", b"0", b"\x00", b"\n"):
            path.write_bytes(good[:place] + extra + good[place:])
            refused(path)
        if place < len(good):
            path.write_bytes(good[:place] + good[place + 1 :])
            refused(path)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_checkpoint_are_refused_with_one_of_the_errors_that_are_caught(data: bytes) -> None:
    for start in (b"", checkpoint.MAGIC, checkpoint.MAGIC + hashlib.sha256(data).hexdigest().encode() + b" 2\n"):
        with pytest.raises((ValueError, KeyError, TypeError, IndexError, RuntimeError)):
            checkpoint.decode(start + data)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        '"text"',
        '{"list": []}',
        '{"dict": 3}',
        '{"dict": [[1]]}',
        '{"dict": [[[1], 2]]}',
        '{"other": []}',
        '{"dict": [], "list": []}',
        '{"dict": [["x", {"tensor": ["float33", [1], 0, 4]}]]}',
        '{"dict": [["x", {"tensor": ["float32", [2], 0, 4]}]]}',
        '{"dict": [["x", {"tensor": ["float32", [1], 8, 4]}]]}',
        '{"dict": [["x", {"tensor": ["float32", [1], 0, -4]}]]}',
        '{"dict": [["x", {"tensor": ["float32", [2], 0, 8]}]]}',
        '{"dict": [["x", {"tensor": ["float32", [1.5], 0, 4]}]]}',
        '{"dict": [["x", {"tensor": []}]]}',
        "{" * 100_000,
        '{"dict": [["x", ' + '{"list": [' * 50_000 + "]}" * 50_000 + "]]}",
    ],
    ids=lambda header: header[:60],
)
def test_a_header_that_no_writer_writes_is_refused_although_its_hash_is_right(header: str, tmp_path: Path) -> None:
    body = header.encode() + b"\x00" * 4
    digest = hashlib.sha256(body).hexdigest().encode()
    path = tmp_path / "00000001.ckpt"
    path.write_bytes(checkpoint.MAGIC + digest + b" %d\n" % len(header) + body)
    refused(path)


def test_a_file_of_a_later_version_is_refused_in_words(tmp_path: Path) -> None:
    path = stored_at(tmp_path, small())
    path.write_bytes(path.read_bytes().replace(b"optrun-checkpoint 1 ", b"optrun-checkpoint 2 "))
    assert refused(path) == (f"checkpoint {path} is damaged: it was written by a later version (optrun-checkpoint 2 )")


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    folder, canary = tmp_path / "checkpoint", tmp_path / "canary"
    folder.mkdir()
    torch.save({"theta": Canary(canary)}, folder / "00000001.ckpt")
    (folder / "00000002.ckpt").write_bytes(pickle.dumps(Canary(canary)))
    body = pickle.dumps({"theta": Canary(canary)})
    digest = hashlib.sha256(body).hexdigest().encode()
    (folder / "00000003.ckpt").write_bytes(checkpoint.MAGIC + digest + b" %d\n" % len(body) + body)
    with pytest.raises(CorruptError):
        checkpoint.newest(folder)
    assert not canary.exists()
    pickle.loads(body)  # the canary does sing
    assert canary.exists()


# ---- which commit is used


def test_a_folder_without_a_commit_has_none(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.newest(tmp_path / "missing") is None


def test_two_commits_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    for number in range(1, 12):
        stored_at(tmp_path, {"n": number}, number)
        kept = [f"{n:08d}.ckpt" for n in (number - 1, number) if n > 0]
        assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert checkpoint.newest(tmp_path) == ({"n": 11}, tmp_path / "00000011.ckpt", [])


def test_files_of_other_names_are_no_commits(tmp_path: Path) -> None:
    stored_at(tmp_path, {"n": 1})
    for name in ("copy of 00000009.ckpt", "00000009.ckpt.bak", "best.ckpt", ".00000002.ckpt.tmp"):
        (tmp_path / name).write_bytes(b"")
    assert checkpoint.newest(tmp_path) == ({"n": 1}, tmp_path / "00000001.ckpt", [])


def test_a_damaged_commit_gives_way_to_the_one_before_with_a_notice(tmp_path: Path) -> None:
    first, second = stored_at(tmp_path, {"n": 1}, 1), stored_at(tmp_path, {"n": 2}, 2)
    second.write_bytes(second.read_bytes()[:-1])
    notice = f"checkpoint {second} is damaged: its content does not have the SHA-256 that it states"
    assert checkpoint.newest(tmp_path) == ({"n": 1}, first, [notice])


def test_a_commit_that_the_disk_cannot_read_gives_way_to_the_one_before_with_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stored_at(tmp_path, {"n": 1}, 1), stored_at(tmp_path, {"n": 2}, 2)
    whole = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == second:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert checkpoint.newest(tmp_path) == ({"n": 1}, first, [f"cannot read {second}: Input/output error"])


def test_when_every_commit_is_damaged_all_are_named(tmp_path: Path) -> None:
    first, second = stored_at(tmp_path, {"n": 1}, 1), stored_at(tmp_path, {"n": 2}, 2)
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes() + b"\x00")
    with pytest.raises(CorruptError) as error:
        checkpoint.newest(tmp_path)
    assert str(error.value) == (
        f"checkpoint {second} is damaged: its content does not have the SHA-256 that it states; "
        f"checkpoint {first} is damaged: it does not start like a checkpoint: no commit of this run can be used"
    )


# ---- disks that fail


def failing(code: int) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


def short(descriptor: int, data: Any) -> int:
    """A disk that takes at most seven bytes at a time, which it may."""
    return real_write(descriptor, bytes(data[:7]))


def half(descriptor: int, data: Any) -> int:
    """A disk that is full after the first fifty bytes."""
    if os.fstat(descriptor).st_size >= 50:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return real_write(descriptor, bytes(data[:50]))


real_write = os.write

FAULTS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "full": ("write", failing(errno.ENOSPC), "No space left on device"),
    "full half way": ("write", half, "No space left on device"),
    "quota": ("write", failing(errno.EDQUOT), os.strerror(errno.EDQUOT)),
    "fsync fails": ("fsync", failing(errno.EIO), "Input/output error"),
    "rename fails": ("replace", failing(errno.EACCES), "Permission denied"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_write_leaves_the_commit_before_it_and_nothing_else(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored_at(tmp_path, small())
    good = first.read_bytes()
    name, call, cause = FAULTS[fault]
    with monkeypatch.context() as patch:
        patch.setattr(os, name, call)
        with pytest.raises(DiskError) as error:
            stored_at(tmp_path, {"n": 2}, 2)
    assert str(error.value) == f"cannot write {tmp_path / '00000002.ckpt'}: {cause}"
    assert list(tmp_path.iterdir()) == [first]
    assert first.read_bytes() == good
    stored_at(tmp_path, {"n": 2}, 2)
    assert checkpoint.newest(tmp_path) == ({"n": 2}, tmp_path / "00000002.ckpt", [])


def test_a_write_that_the_system_cuts_short_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", short)
    path = stored_at(tmp_path, small())
    assert path.read_bytes() == checkpoint.encode(small())


def test_a_disk_that_returns_other_bytes_than_it_was_given_is_noticed_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flip(descriptor: int, data: Any) -> int:
        wrong = bytearray(data)
        wrong[len(wrong) // 2] ^= 1
        return real_write(descriptor, wrong)

    first = stored_at(tmp_path, small())
    monkeypatch.setattr(os, "write", flip)
    with pytest.raises(DiskError) as error:
        stored_at(tmp_path, {"n": 2}, 2)
    path = tmp_path / "00000002.ckpt"
    assert str(error.value) == f"cannot write {path}: what was read back is not what was written"
    assert list(tmp_path.iterdir()) == [first]


def test_a_folder_whose_rename_cannot_be_made_durable_is_an_error_and_both_commits_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored_at(tmp_path, {"n": 1})
    real = os.fsync

    def folders_fail(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}") or os.path.isdir(f"/dev/fd/{descriptor}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", folders_fail)
    with pytest.raises(DiskError):
        stored_at(tmp_path, {"n": 2}, 2)
    assert checkpoint.read(first) == {"n": 1}
    assert checkpoint.read(tmp_path / "00000002.ckpt") == {"n": 2}


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stored_at(tmp_path, small())
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_text_where_a_person_looks_and_bytes_behind(tmp_path: Path) -> None:
    data = stored_at(tmp_path, {"x": torch.tensor([1.0]), "n": 1}).read_bytes()
    head, _, body = data.partition(b"\n")
    magic, version, digest, length = head.decode().split(" ")
    assert (magic, version, digest) == ("optrun-checkpoint", "1", hashlib.sha256(body).hexdigest())
    tree = json.loads(body[: int(length)])
    assert tree == {"dict": [["x", {"tensor": ["float32", [1], 0, 4]}], ["n", 1]]}
    assert body[int(length) :] == b"\x00\x00\x80\x3f"
