"""Files of data that hold something else than they should: a hundred of them, each with the words that must be said."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.forked import Answer, Optrun, forks

REFUSED = 2
SMALL = ("epochs=1", "architecture.hidden=[4]")
SOME_MB = 64  # beside what grows with the file: what numpy and Python take once
TIMES = 24  # a cell of two bytes becomes a float of eight, twice while the table is put together
SHORT = 3  # in the short form, every so many-th file


@dataclass(frozen=True)
class Bad:
    """A case: its files, the arguments that name them, and what the message must contain; none where it must train."""

    what: str
    files: dict[str, bytes]
    arguments: tuple[str, ...]
    told: tuple[str, ...]


@final
class BadData(Area):
    """What is wrong in a file of data is told with its place, before training and in bounded memory."""

    name = "bad_data"
    promise = "exit 2 with file, row, column and value; nothing coerced; memory bounded by the file's size"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        cases = [*csv_cells(), *csv_files(), *idx_files(), *npy_files(), *npz_files()]
        with forks() as optrun:
            usual = tried(Bad("nothing there", {}, ("dataset=csv", "dataset.path=nowhere.csv"), ()), folder, optrun)
            for case in cases[:: SHORT if effort == "short" else 1]:
                yield judged(case, tried(case, folder, optrun), usual.peak_kb, folder)


def tried(case: Bad, folder: Path, optrun: Optrun) -> Answer:
    """Write the files of a case and train on them."""
    for name, data in case.files.items():
        (folder / name).write_bytes(data)
    return optrun(*case.arguments, *SMALL, "hydra.run.dir=run", cwd=folder)


def judged(case: Bad, answer: Answer, usual_kb: int, folder: Path) -> Trial:
    """Whether the message has what it must, nothing was left behind, and memory was bounded."""
    size = sum(map(len, case.files.values()))
    for name in case.files:
        (folder / name).unlink()
    left = sorted(path.name for path in folder.iterdir())
    shutil.rmtree(folder / "run", ignore_errors=True)
    if not case.told:
        right = answer.code == 0 and left == ["run"]
        return Trial(case.what, right, f"exit code {answer.code}: {answer.err}")
    lacking = [words for words in case.told if words not in answer.err]
    megabytes = (answer.peak_kb - usual_kb) / 1024
    too_much = megabytes > SOME_MB + TIMES * size / (1 << 20)
    seen = answer.wrong or f"exit code {answer.code}, {left}, not said {lacking}, {megabytes:.0f} MB: {answer.err}"
    return Trial(case.what, answer.code == REFUSED and not (lacking or left or too_much or answer.wrong), seen)


# ---- CSV

HEADER = "width,height,kind"
GOOD = [f"{n}.5,{n % 7},{'rose' if n % 3 else 'lily'}" for n in range(20)]
NO_NUMBERS = (
    *("", " ", "NA", "na", "N/A", "nan", "NaN", "NULL", "null", "None", "?", "-", ".", "inf", "-inf", "Infinity"),
    *("1e999", "-1e999", "1e-999", "abc", "1_000", "0x10", "１２", "1.2.3", "1e", "--1", "+-1", "1 2", "true", "5%"),
    *("12345678901234567891", "9007199254740993", "-9007199254740993", "$5", "1;2", "#REF!", "'5", "٣", "½", "∞"),
    *("1e1000000", "\u00a05", "5\u200b", "0b1", "1L", "(5)", "=1+1", "1e+", "e5", "9" * 400),
)


def text(rows: list[str], header: str = HEADER) -> bytes:
    """A CSV file."""
    return "\n".join([header, *rows, ""]).encode()


def csv(what: str, data: bytes, *told: str, arguments: tuple[str, ...] = ()) -> Bad:
    """A case of one CSV file, which the message names."""
    return Bad(f"CSV: {what}", {"data.csv": data}, ("dataset=csv", "dataset.path=data.csv", *arguments), told)


def with_row(row: str, line: int = 5) -> bytes:
    """The good rows, of which one is another."""
    rows = list(GOOD)
    rows[line - 2] = row
    return text(rows)


def csv_cells() -> Iterator[Bad]:
    """One cell that is no number, or no class."""
    for cell in NO_NUMBERS:
        place = f"data.csv, line 5, column height: {cell[:60]!r}"
        yield csv(f"the cell {cell[:20]!r}", with_row(f"1,{cell},rose"), place)
    yield csv("a decimal comma", with_row('1,"1,5",rose'), "line 5, column height: '1,5'", "decimal point")
    numbers = ("dataset.target=height", "dataset.targets=numbers", "loss=mse")
    for cell in ("NA", "inf", "x", ""):
        rows = [row.rpartition(",")[0] for row in GOOD]
        rows[3] = f"1,{cell}"
        place = f"data.csv, line 5, column height: {cell!r}"
        yield csv(f"the target {cell!r}", text(rows, "width,height"), place, arguments=numbers)
    for cell in ("", "  "):
        yield csv(f"the class {cell!r}", with_row(f"1,2,{cell}"), f"data.csv, line 5, column kind: {cell!r}")
    for one, other in (("007", "7"), ("NA", "na"), ("NA", "x"), ("1e0", "1"), ("True", "true"), ("null", "nan")):
        rows = [f"{n},{n % 7},{one if n % 2 else other}" for n in range(20)]
        yield csv(f"classes {one} and {other} are two texts", text(rows))


def csv_files() -> Iterator[Bad]:
    """A table that is none, or not the one that was meant."""
    kinds = [row.rpartition(",")[0] + ",rose" for row in GOOD]
    yield csv("one class", text(kinds), "data.csv, target kind: one value in all 20 rows")
    yield csv("every class once", text([f"{n},1,{n}" for n in range(20)]), "data.csv, target kind: 20 different values")
    yield csv("the target is missing", text(GOOD), "data.csv, target colour", arguments=("dataset.target=colour",))
    yield csv("no such column number", text(GOOD), "data.csv, target 3", arguments=("dataset.target=3",))
    yield csv("text in a column of numbers", with_row("a,2,rose"), "data.csv, line 5, column width: 'a'")
    yield csv("a row too short", with_row("1,2"), "data.csv, line 5: a row of 2")
    yield csv("a row too long", with_row("1,2,rose,"), "data.csv, line 5: a row of 4")
    yield csv("empty", b"", "data.csv is refused", "the file is empty")
    yield csv("blank lines", b"\n\n\n", "data.csv is refused")
    yield csv("a header alone", text([]), "data.csv is refused", "rows below the header")
    yield csv("one column", text(["1", "2"], "width"), "data.csv, line 1: 1 column")
    yield csv("no names", text(GOOD, "1,2,rose"), "data.csv, line 1: numbers instead of names")
    yield csv("a column without a name", text(GOOD, "width,,kind"), "data.csv, line 1: column 1 has no name")
    yield csv("a name twice", text(GOOD, "width,width,kind"), "data.csv, line 1: columns 0 and 1 are both called width")
    yield csv("another delimiter", text(GOOD).replace(b",", b";"), "data.csv, line 1: 1 column", "semicolon")
    yield csv("a blank line", with_row(""), "data.csv, line 5: a blank line")
    yield csv("a quote without its partner", with_row('1,"2,rose'), "data.csv, line 5", "quote")
    yield csv("a quote inside", with_row('1,"2"x,rose'), "data.csv, line 5")
    yield csv("a NUL", with_row("1,\0,rose"), "data.csv, line 5: a NUL character")
    yield csv("a long cell", with_row(f"1,{'2' * 200_000},rose"), "data.csv, line 5")
    yield csv("classes apart by a space", with_row("1,2, rose"), "the classes 'rose' and ' rose'")
    for encoding in ("utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"):
        yield csv(encoding, text(GOOD).decode().encode(encoding), "data.csv", "UTF-")
    yield csv("Latin-1", with_row("1,2,ros\u00e9").decode().encode("latin-1"), "data.csv, line 5: byte 0xe9")
    yield csv("a workbook", b"PK\x03\x04" + bytes(100), "data.csv", "Excel")
    yield csv("an archive", gzip.compress(text(GOOD)), "data.csv", "gzip")
    wide = 100_000
    names, row = ",".join(f"c{j}" for j in range(wide)), ",".join(["1"] * (wide - 2))
    yield csv("100,000 columns", text([f"{row},x,a", f"{row},2,b"], names), f"line 2, column c{wide - 2}: 'x'")
    yield csv("100,000 columns, one too few", text([f"{row},2,b", f"{row},b"], names), f"line 3: a row of {wide - 1}")
    yield csv(
        "a byte-order mark and carriage returns are allowed", b"\xef\xbb\xbf" + text(GOOD).replace(b"\n", b"\r\n")
    )
    for what, path in (("a folder", "."), ("a device", os.devnull), ("endless zeros", "/dev/zero")):
        yield Bad(f"CSV: {what}", {}, ("dataset=csv", f"dataset.path={path}"), ("is refused", "a file; this is"))


# ---- IDX


def idx_file(array: Any, kind: int = 0x08, sizes: tuple[int, ...] | None = None) -> bytes:
    """An array in the IDX format; `sizes` are what its header says where it lies."""
    shape = array.shape if sizes is None else sizes
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(array.tobytes())


IMAGES = idx_file(np.arange(20 * 4 * 4, dtype=np.uint8).reshape(20, 4, 4))
LABELS = idx_file(np.arange(20, dtype=np.uint8) % 2)
LARGE = 1 << 20  # zeros in the pieces of a bomb


def idx_files() -> Iterator[Bad]:
    """Images and labels that are cut, lie, or are something else."""

    def bad(what: str, x: bytes, y: bytes, *told: str) -> Bad:
        return Bad(f"IDX: {what}", {"x": x, "y": y}, ("dataset=idx", "dataset.path=x", "dataset.target=y"), told)

    for length in (0, 1, 3):
        yield bad(f"cut to {length} bytes", IMAGES[:length], LABELS, "/x: it begins with")
    for length in (4, 7, 15):
        yield bad(f"cut to {length} bytes", IMAGES[:length], LABELS, "/x: it ends within its header")
    yield bad("the last byte is missing", IMAGES[:-1], LABELS, "/x: 319 bytes after a header")
    yield bad("a byte more", IMAGES + b"x", LABELS, "/x: more bytes after a header")
    for head in (
        b"\x01\0\x08\x03",
        b"\0\x01\x08\x03",
        b"\0\0\x07\x03",
        b"\0\0\x08\0",
        b"PK\x03\x04",
        b"\x80\x04\x95\0",
    ):
        yield bad(f"it begins with {head.hex()}", head + IMAGES[4:], LABELS, "/x: it begins with")
    huge = (0xFFFFFFFF,) * 3
    yield bad("sizes beyond 64 bits", idx_file(np.zeros(1, np.uint8), sizes=huge), LABELS, "/x: an array of", "MB")
    yield bad("255 dimensions", b"\0\0\x08\xff" + b"\xff" * 1020, LABELS, "/x: it begins with")
    yield bad(
        "one size of 0 and large ones", idx_file(np.zeros(0, np.uint8), sizes=(0, *huge)), LABELS, "/x: an array of"
    )
    yield bad("too few labels", IMAGES, idx_file(np.zeros(19, np.uint8)), "/y: targets of shape [19]", "20 inputs")
    yield bad(
        "no image", idx_file(np.zeros((0, 4, 4), np.uint8)), idx_file(np.zeros(0, np.uint8)), "/x: inputs of shape"
    )
    yield bad("images without a width", idx_file(np.zeros((20, 4, 0), np.uint8)), LABELS, "/x: inputs of shape")
    yield bad("one class", IMAGES, idx_file(np.zeros(20, np.uint8)), "/y: one value in all 20 rows")
    yield bad("labels with a fraction", IMAGES, idx_file(np.arange(20).astype(">f4"), 0x0D), "/y: targets of type")
    x = np.arange(40.0).reshape(20, 2)
    x[3, 1] = np.nan
    yield bad("a NaN", idx_file(x.astype(">f8"), 0x0E), LABELS, "/x=nan in row 3 of the inputs, column 1")
    zipped = gzip.compress(IMAGES)
    yield bad("gzip cut short", zipped[: len(zipped) // 2], LABELS, "/x: ", "a whole gzip archive")
    yield bad("gzip alone", zipped[:2], LABELS, "/x: ", "a whole gzip archive")
    broken = zipped[:-8] + bytes(8)
    yield bad("gzip with another checksum", broken, LABELS, "/x: ", "a whole gzip archive")
    yield bad("gzip and then something else", zipped + b"garbage", LABELS, "/x: ")
    yield bad("a bomb behind a small header", bomb(IMAGES[:16]), LABELS, "/x: more bytes after a header")
    yield bad("a bomb of a large header", bomb(b"\0\0\x08\x03" + b"\xff" * 12), LABELS, "/x: an array of")
    yield bad("a bomb alone", bomb(b""), LABELS, "/x: it begins with [0, 0, 0, 0]")


def bomb(head: bytes) -> bytes:
    """A gzip archive of a megabyte that unpacks to a gigabyte, behind some bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        file.write(head)
        for _ in range(1024):
            file.write(bytes(LARGE))
    return packed.getvalue()


# ---- numpy


def npy(array: Any) -> bytes:
    """An array as np.save writes it; one of objects as a pickle."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npy_header(header: str, body: bytes = b"", version: int = 1) -> bytes:
    """An npy file whose header says anything."""
    text = header.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + body


X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2


def npy_files() -> Iterator[Bad]:
    """Arrays that are no plain numbers, or not of the size that they announce."""

    def bad(what: str, x: bytes, y: bytes, *told: str) -> Bad:
        files = {"x.npy": x, "y.npy": y}
        return Bad(f"npy: {what}", files, ("dataset=npy", "dataset.path=x.npy", "dataset.target=y.npy"), told)

    good, labels = npy(X), npy(Y)
    yield bad("objects", npy(np.array([[1, "a"]] * 20, dtype=object)), labels, "x.npy: an array of type object")
    yield bad(
        "targets that are objects", good, npy(np.array([1, "a"] * 10, dtype=object)), "y.npy: an array of type object"
    )
    for kind in ("c16", "g", "M8[s]", "V4"):
        yield bad(f"numbers of type {kind}", npy(np.zeros((20, 3), kind)), labels, "x.npy: an array of type")
    records = np.zeros(20, [("a", "f8"), ("b", "i4")])
    yield bad("records", npy(records), labels, "x.npy: an array of type")
    yield bad("texts as inputs", npy(np.full((20, 3), "a")), labels, "x.npy: an array of type")
    for length in (0, 5, 9, 60):
        yield bad(f"cut to {length} bytes", good[:length], labels, "x.npy: ")
    yield bad("the last byte is missing", good[:-1], labels, "x.npy: 479 bytes for an array [20, 3]")
    yield bad("a byte more", good + b"x", labels, "x.npy: 481 bytes for an array [20, 3]")
    yield bad("another format", b"\x93NUMPX" + good[6:], labels, "x.npy: ")
    yield bad("version 9", good[:6] + b"\x09" + good[7:], labels, "x.npy: ", "version 1 or 2")
    for header in (
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-20, 3)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (20,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (20, 3)}",
        "{'descr': '<f8'}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9223372036854775807, 9223372036854775807)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (20, 3)}",
        "{{'descr': '<f8', 'fortran_order': False, 'shape': (20, 3)}}",
        "__import__('os').getcwd()",
        "[" * 100,
    ):
        yield bad(f"the header {header[:60]}", npy_header(header, good[128:]), labels, "x.npy")
    yield bad("columns one after the other", npy(np.asfortranarray(X)), labels, "x.npy: columns one after the other")
    for value in (np.nan, np.inf):
        x = X.copy()
        x[7, 2] = value
        yield bad(f"a cell {value}", npy(x), labels, f"x.npy={value} in row 7 of the inputs, column 2")
    yield bad("integers of 2^60", npy(np.full((20, 3), 1 << 60)), labels, "x.npy: integers of 2^53 and more")
    yield bad("one dimension", npy(X[:, 0]), labels, "x.npy: inputs of shape [20]")
    yield bad("no row", npy(X[:0]), npy(Y[:0]), "x.npy: inputs of shape [0, 3]")
    yield bad("too few targets", good, npy(Y[:19]), "y.npy: targets of shape [19]")
    yield bad("targets in two columns", good, npy(X[:, :2]), "y.npy: targets of shape [20, 2]")
    yield bad("one class", good, npy(Y * 0), "y.npy: one value in all 20 rows")
    yield bad("classes with a fraction", good, npy(Y * 0.5), "y.npy: targets of type float64")


def npz_files() -> Iterator[Bad]:
    """Archives of arrays."""

    def bad(what: str, data: bytes, *told: str) -> Bad:
        return Bad(f"npz: {what}", {"data.npz": data}, ("dataset=npz", "dataset.path=data.npz"), ("data.npz", *told))

    def archive(**members: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, data in members.items():
                zipped.writestr(f"{name}.npy", data)
        return file.getvalue()

    good = archive(x=npy(X), y=npy(Y))
    yield bad("no targets", archive(x=npy(X)), "array y")
    yield bad("objects", archive(x=npy(np.array([[{}]] * 20, dtype=object)), y=npy(Y)), "array of type object")
    yield bad("cut short", good[: len(good) // 2], "npz format")
    yield bad("no archive", b"x" * 100, "npz format")
    yield bad("empty", b"", "npz format")
    yield bad("another checksum", good.replace(npy_crc(good), b"\0\0\0\0"), "npz format")
    zeros = "{'descr': '<f8', 'fortran_order': False, 'shape': (1073741824, 3)}"
    yield bad("a header that announces 24 GB", archive(x=npy_header(zeros), y=npy(Y)), "array x")
    x = X.copy()
    x[2, 0] = np.nan
    yield bad("a NaN", archive(x=npy(x), y=npy(Y)), "nan in row 2 of the inputs, column 0")
    yield bad("too few targets", archive(x=npy(X), y=npy(Y[:5])), "targets of shape [5]")
    large = archive(x=npy(np.zeros((1 << 20, 3))), y=npy(Y))
    limited = bad("more than its memory", large, ": an array of")
    yield Bad(limited.what, limited.files, (*limited.arguments, "dataset.memory_mb=1"), limited.told)


def npy_crc(archive: bytes) -> bytes:
    """The checksum of the first member of a zip archive, as it stands in it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return struct.pack("<I", zipped.infolist()[0].CRC)
