"""Arrays in files of the user's: npy, npz and idx; what they hold, and every way in which they are refused."""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import ConfigError, DataError
from runner.dataset.csv import Csv
from runner.dataset.idx import Idx
from runner.dataset.idx_format import read_idx
from runner.dataset.npy import Npy
from runner.dataset.npz import Npz
from runner.run import refuse_bad_values

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"
X = np.arange(24.0).reshape(12, 2) ** 2
Y = np.arange(12) % 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    return tmp_path


def npy(folder: Path, **given: Any) -> Npy:
    return Npy(**{"path": str(folder / "x.npy"), "target": str(folder / "y.npy")} | given)


def said(read: Any, folder: Path) -> list[str]:
    """The lines of the refusal, without the folder."""
    with pytest.raises((DataError, ConfigError)) as refused:
        read()
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def images(shape: tuple[int, ...], code: int = 8, data: bytes | None = None) -> bytes:
    """An idx file."""
    count = math.prod(shape)
    return (
        bytes([0, 0, code, len(shape)])
        + struct.pack(f">{len(shape)}I", *shape)
        + (bytes(i % 251 for i in range(count)) if data is None else data)
    )


# -- npy -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f8", "<i4", "u1", "<i8", "?", "<f2"])
def test_an_npy_file_is_read_in_whatever_type_its_numbers_have(folder: Path, dtype: str) -> None:
    x = (X % 2).astype(dtype)
    np.save(folder / "x.npy", x)
    table = npy(folder).load()
    assert isinstance(table.x, np.ndarray)
    assert np.array_equal(table.x, x.astype(np.float64))
    assert (table.y.tolist(), table.classes) == (Y.tolist(), ("0", "1", "2"))
    assert table.columns == ("0", "1")


def test_images_keep_their_shape_and_have_no_columns(folder: Path) -> None:
    np.save(folder / "x.npy", X.reshape(12, 1, 2, 1))
    assert npy(folder).load().x.shape == (12, 1, 2, 1)
    assert npy(folder).load().columns is None


def test_targets_are_texts_or_numbers_as_asked_for(folder: Path) -> None:
    np.save(folder / "y.npy", np.array(["b", "a"] * 6))
    assert npy(folder).load().classes == ("a", "b")
    assert npy(folder).load().y.tolist() == [1, 0] * 6
    np.save(folder / "y.npy", X[:, 0])
    table = npy(folder, targets="numbers").load()
    assert table.classes is None
    assert table.y.tolist() == X[:, 0].tolist()


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_on_disk_are_those_in_memory(folder: Path, on_disk: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3000, 100)).astype(np.float32)  # 2.3 MB as float64
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", np.arange(3000) % 3)
    table = npy(folder, memory_mb=1 if on_disk else 1024).load()
    assert table.resident == (not on_disk)
    for rows in (np.array([5, 2, 2, 2999, 0, 1]), np.arange(3000), np.arange(0), np.array([7])):
        assert np.array_equal(table.x[rows], x[rows].astype(np.float64))
    assert table.sha256 == npy(folder).load().sha256


NPY = {
    "an object array": (lambda: np.array([[None]] * 12), ["an array of type object", "numbers, or texts for classes"]),
    "complex numbers": (lambda: X + 1j, ["an array of type complex128", "numbers, or texts for classes"]),
    "columns first": (lambda: np.asfortranarray(X), ["columns one after the other (Fortran order)", "rows one after"]),
    "texts": (lambda: np.array([["a", "b"]] * 12), ["an array of type <U1", "numbers"]),
    "no row": (lambda: X[:0], ["inputs of shape [0, 2]", "[N, columns] or [N, channels, height, width]"]),
    "one dimension": (lambda: X[:, 0], ["inputs of shape [12]", "[N, columns] or [N, channels, height, width]"]),
    "none": (lambda: np.array(3.0), ["inputs of shape []", "[N, columns] or [N, channels, height, width]"]),
    "too many rows": (lambda: np.concatenate([X, X]), ["targets of shape [12]", "one for each of the 24 inputs"]),
    "identifiers": (lambda: X.astype(np.int64) + 2**60, ["integers of 2^53 and more", "integers that float64 holds"]),
}


@pytest.mark.parametrize("case", NPY)
def test_inputs_that_are_no_table_of_numbers_are_refused(folder: Path, case: str) -> None:
    array, words = NPY[case]
    np.save(folder / "x.npy", array(), allow_pickle=True)
    lines = said(npy(folder).load, folder)
    assert len(lines) == 3
    assert words[0] in lines[0]
    assert lines[1].startswith(f"  allowed: {words[1]}")


def test_nothing_is_ever_unpickled(folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(folder / "evil"), "w"))

    for made, place in ((npy(folder), "x.npy"), (npy(folder), "y.npy")):
        np.save(folder / "x.npy", X)
        np.save(folder / "y.npy", Y)
        np.save(folder / place, np.array([Evil()] * 12, dtype=object), allow_pickle=True)
        assert "object" in said(made.load, folder)[0]
    np.savez(folder / "d.npz", x=np.array([[Evil()]] * 12, dtype=object), y=Y, allow_pickle=True)
    assert "object" in said(Npz(path=str(folder / "d.npz")).load, folder)[0]
    assert not (folder / "evil").exists()


@pytest.mark.parametrize(
    ("change", "bytes_"),
    [(lambda data: data[:-1], 191), (lambda data: data + b"\0", 193), (lambda data: data[:128], 0)],
)
def test_a_file_that_is_shorter_or_longer_than_its_header_says_is_refused(
    folder: Path, change: Any, bytes_: int
) -> None:
    whole = (folder / "x.npy").read_bytes()
    (folder / "x.npy").write_bytes(change(whole))
    assert said(npy(folder).load, folder) == [
        f"x.npy: {bytes_} bytes for an array [12, 2] of float64 is refused",
        "  allowed: 192 bytes, no less and no more",
        "  do this: the file is incomplete, or something else was appended: save it anew",
    ]


def test_a_header_that_announces_more_than_64_bits_count_is_refused_without_making_room(folder: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (2**62, 2**62)})
    (folder / "x.npy").write_bytes(head.getvalue())
    assert "0 bytes for an array [4611686018427387904, 4611686018427387904]" in said(npy(folder).load, folder)[0]


@pytest.mark.parametrize(
    ("descr", "shape", "line"),
    [
        ("<f8", (0, 2**62, 2**62), "an array [0, 4611686018427387904, 4611686018427387904] of float64 is refused"),
        ("<f8", (0,) * 33, f"an array {[0] * 33} of float64 is refused"),
        ("<U0", (3, 2), "an array of type <U0 is refused"),
    ],
)
def test_a_header_of_an_array_that_numpy_cannot_make_is_refused(
    folder: Path, descr: str, shape: tuple[int, ...], line: str
) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    (folder / "x.npy").write_bytes(head.getvalue())
    assert said(npy(folder).load, folder)[0] == f"x.npy: {line}"


@settings(derandomize=True, database=None, max_examples=200)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_npy_file_are_refused_and_never_a_bug(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for head in (b"", b"\x93NUMPY\x01\x00"):
            (Path(folder) / "x.npy").write_bytes(head + data)
            with pytest.raises(DataError):
                npy(Path(folder)).load()


def test_a_missing_file_is_named_with_the_one_that_was_meant(folder: Path) -> None:
    assert said(npy(folder, target=str(folder / "yy.npy")).load, folder) == [
        "yy.npy is refused",
        "  allowed: a file that exists",
        "  do this: did you mean y.npy? give dataset.target=FILE",
    ]
    assert said(lambda: Npy(path="x.npy"), folder) == [
        "target=??? is refused",
        "  allowed: the name of an npy file",
        "  do this: give target=FILE",
    ]


def test_a_file_that_is_cut_short_while_it_is_used_is_an_error_and_no_crash(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((3000, 100)))
    np.save(folder / "y.npy", np.arange(3000) % 3)
    table = npy(folder, memory_mb=1).load()
    with open(folder / "x.npy", "r+b") as file:
        file.truncate(1000)
    assert said(lambda: table.x[np.array([2999])], folder) == [
        "x.npy: it was cut short is refused",
        "  allowed: a file that stays as it is",
        "  do this: start a new run",
    ]


def test_as_many_classes_as_rows_are_refused(folder: Path) -> None:
    np.save(folder / "y.npy", np.arange(12))
    assert said(npy(folder).load, folder) == [
        "y.npy: 12 different values in 12 rows is refused",
        "  allowed: classes with three rows or more on average",
        "  do this: give dataset.targets=numbers, or other targets",
    ]


# -- larger than memory ----------------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
from runner import cli
code = cli.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def peak_mb(folder: Path, n: int, *arguments: str) -> int:
    """The most memory that a run on n rows of 1000 float32 takes; the file is sparse and takes no room on the disk."""
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", "float32", (n, 1000))
    x[:200] = np.random.default_rng(0).normal(size=(200, 1000))
    x.flush()
    del x
    np.save(folder / "y.npy", np.arange(n) % 3)
    files = [f"dataset.path={folder}/x.npy", f"dataset.target={folder}/y.npy"]
    command = [sys.executable, "-c", MEASURED, "dataset=npy", *files, "architecture=linear", "epochs=1", *arguments]
    done = subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


def test_a_file_larger_than_its_memory_is_trained_on_within_the_stated_number_of_megabytes(tmp_path: Path) -> None:
    small = peak_mb(tmp_path, 300, "hydra.run.dir=small")
    large = peak_mb(tmp_path, 75_000, "hydra.run.dir=large", "dataset.memory_mb=1")  # 300 MB, as float64 600 MB
    stated = int(re.findall(r"about (\d+) MB\s+more", str(Npy.__doc__))[0])
    assert large - small < stated


def test_a_run_from_disk_writes_the_bytes_of_a_run_from_memory(tmp_path: Path) -> None:
    for name, limit in (("memory", 1024), ("disk", 1)):
        peak_mb(tmp_path, 1000, f"hydra.run.dir={name}", f"dataset.memory_mb={limit}", "epochs=3")
    for file in ("metrics.csv", "preprocess.npz"):
        assert (tmp_path / "memory" / file).read_bytes() == (tmp_path / "disk" / file).read_bytes(), file


# -- npz -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_file_is_read_by_the_names_of_its_arrays(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "d.npz", inputs=X, labels=Y)
    table = Npz(path=str(tmp_path / "d.npz"), x="inputs", y="labels").load()
    assert np.array_equal(np.asarray(table.x), X)
    assert table.y.tolist() == Y.tolist()


def test_an_array_that_is_not_in_the_file_is_named_with_those_that_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=X, labels=Y)
    assert said(Npz(path=str(tmp_path / "d.npz"), x="input", y="labels").load, tmp_path) == [
        "d.npz, array input is refused",
        "  allowed: an array that is in the file: inputs, labels",
        "  do this: did you mean inputs? give dataset.x=NAME",
    ]


def test_an_array_larger_than_the_limit_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((300_000, 1)), y=Y)  # 2.3 MB of zeros in some kB
    assert said(Npz(path=str(tmp_path / "d.npz"), memory_mb=1).load, tmp_path) == [
        "d.npz: an array of 3 MB is refused",
        "  allowed: at most 1 MB in memory",
        "  do this: give a larger dataset.memory_mb, or inputs as a .npy file, which can stay on disk (dataset=npy)",
    ]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=X, y=Y)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(X.tobytes()) + 5] ^= 1
    for data, words in (
        (bytes(damaged), "Bad CRC-32 for file 'x.npy'"),
        (whole[:100], "File is not a zip file"),
        (b"", "File is not a zip file"),
    ):
        path.write_bytes(data)
        assert said(Npz(path=str(path)).load, tmp_path)[0] == f"d.npz: {words} is refused"


def test_an_archive_whose_names_are_in_no_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("\N{GREEK SMALL LETTER THETA}.npy", b"")
    path.write_bytes(path.read_bytes().replace("\N{GREEK SMALL LETTER THETA}".encode(), b"\xff\xfe"))
    assert said(Npz(path=str(path)).load, tmp_path)[0] == (
        "d.npz: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte is refused"
    )


def test_a_member_may_be_called_without_the_ending_that_numpy_gives_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.write(tmp_path / "x.npy", "x")
        archive.write(tmp_path / "y.npy", "y.npy")
    assert Npz(path=str(tmp_path / "d.npz")).load().x.shape == (12, 2)


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (12, 2)})
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue() + bytes(100))
        archive.writestr("y.npy", b"")
    assert said(Npz(path=str(tmp_path / "d.npz")).load, tmp_path)[0] == (
        "d.npz, array x: 100 bytes for an array [12, 2] of float64 is refused"
    )


# -- idx -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_type_of_an_idx_file_is_read(tmp_path: Path, code: int, dtype: str, zipped: bool) -> None:
    array = np.array([[1, -2, 3], [100, 0, 7]]).astype(dtype)
    data = images((2, 3), code, array.tobytes())
    (tmp_path / "x").write_bytes(gzip.compress(data) if zipped else data)
    assert np.array_equal(read_idx(str(tmp_path / "x"), "dataset.path", 1), array)


def idx(folder: Path, x: bytes, y: bytes) -> Idx:
    (folder / "x").write_bytes(x)
    (folder / "y").write_bytes(y)
    return Idx(path=str(folder / "x"), target=str(folder / "y"))


LABELS = images((12,), data=bytes(i % 3 for i in range(12)))


def test_images_of_an_idx_file_have_one_channel(tmp_path: Path) -> None:
    table = idx(tmp_path, images((12, 3, 2)), LABELS).load()
    assert table.x.shape == (12, 1, 3, 2)
    assert table.x[np.array([1])].ravel().tolist() == [6, 7, 8, 9, 10, 11]
    assert table.classes == ("0", "1", "2")


IDX = {
    "wrong magic": (b"\x01" + images((12, 2))[1:], "x: it begins with [1, 0, 8, 2] is refused"),
    "unknown type": (images((12, 2), code=10), "x: it begins with [0, 0, 10, 2] is refused"),
    "no dimension": (images(()), "x: it begins with [0, 0, 8, 0] is refused"),
    "255 dimensions": (images((1,) * 255), "x: it begins with [0, 0, 8, 255] is refused"),
    "sizes that overflow beside one of 0": (
        images((0, 2**32 - 1, 2**32 - 1, 2**32 - 1)),
        f"x: an array of {-(-((2**32 - 1) ** 3) // 2**20)} MB is refused",
    ),
    "empty": (b"", "x: it begins with [] is refused"),
    "cut in the header": (images((12, 2))[:9], "x: it ends within its header is refused"),
    "cut": (
        images((12, 2))[:-1],
        "x: 23 bytes after a header that announces 12 x 2 of type uint8 is refused",
    ),
    "longer": (
        images((12, 2)) + b"\0",
        "x: more bytes after a header that announces 12 x 2 of type uint8 is refused",
    ),
    "sizes that overflow": (
        images((2**32 - 1,) * 3, data=b""),
        f"x: an array of {-(-((2**32 - 1) ** 3) // 2**20)} MB is refused",
    ),
    "fewer labels": (images((13, 2)), "y: targets of shape [12] is refused"),
    "cut gzip": (
        gzip.compress(images((12, 2)))[:-9],
        "x: Compressed file ended before the end-of-stream marker was reached is refused",
    ),
}


@pytest.mark.parametrize("case", IDX)
def test_an_idx_file_that_is_not_whole_is_refused(tmp_path: Path, case: str) -> None:
    data, line = IDX[case]
    assert said(idx(tmp_path, data, LABELS).load, tmp_path)[0] == line


def test_a_gzip_bomb_is_refused_after_what_its_header_announces(tmp_path: Path) -> None:
    bomb = gzip.compress(images((12, 2)) + bytes(200_000_000), compresslevel=1)
    code = f"""
import resource
from runner.core.errors import DataError
from runner.dataset.idx_format import read_idx
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_idx({str(tmp_path / "x")!r}, "dataset.path", 1)
except DataError as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""
    (tmp_path / "x").write_bytes(bomb)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )
    grown, _, message = done.stdout.partition(" ")
    assert "more bytes after a header that announces 12 x 2" in message
    assert int(grown) < 20  # MB, of 200


@settings(derandomize=True, database=None, max_examples=200)
@given(st.binary(max_size=60), st.booleans())
def test_bytes_that_are_no_idx_file_are_refused_and_never_a_bug(data: bytes, zipped: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(gzip.compress(data) if zipped else data)
        try:
            read_idx(str(path), "dataset.path", 1)
        except DataError:
            return
        assert data[:2] == b"\0\0"  # by chance


def test_the_test_images_of_mnist_are_read(tmp_path: Path) -> None:
    folder = SHARED / "mnist"
    if not folder.is_dir():
        pytest.skip("the files of MNIST are not beside this checkout")
    made = Idx(path=str(folder / "t10k-images-idx3-ubyte.gz"), target=str(folder / "t10k-labels-idx1-ubyte.gz"))
    table = made.load()
    assert table.x.shape == (10000, 1, 28, 28)
    assert table.classes == tuple("0123456789")
    # counts that the data set is known for
    assert np.bincount(table.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert table.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert table.x[np.array([0])].max() == 255


def test_the_white_wines_are_read_as_csv() -> None:
    path = SHARED / "winequality-white.csv"
    if not path.is_file():
        pytest.skip("the file of white wines is not beside this checkout")
    table = Csv(path=str(path), target="quality").load()
    assert table.x.shape == (4898, 11)
    assert table.classes == ("3", "4", "5", "6", "7", "8", "9")


@pytest.mark.parametrize("header", ["[" * 100, "{'descr': '<f8'", "(", "\\", "'''", "{{'descr': 3}}"])
def test_a_header_that_is_no_python_is_refused(folder: Path, header: str) -> None:
    text = header.encode().ljust(117) + b"\n"
    (folder / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    with pytest.raises(DataError, match="a file in the npy format, version 1 or 2"):
        Npy(path=str(folder / "x.npy"), target=str(folder / "x.npy")).load()


def test_a_number_that_is_not_finite_is_told_with_its_file(folder: Path) -> None:
    x = np.arange(8.0).reshape(4, 2)
    x[2, 1] = np.nan
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", np.array([0, 1, 0, 1]))
    dataset = Npy(path=str(folder / "x.npy"), target=str(folder / "y.npy"))
    with pytest.raises(DataError) as error:
        refuse_bad_values(dataset.load(), dataset.files)
    text = f"{folder / 'x.npy'}=nan in row 2 of the inputs, column 1 is refused\n"
    assert str(error.value) == text + "  allowed: finite numbers\n  do this: remove or repair that row"
