"""Data sets that are fetched: from a server on this machine, with files that the tests make."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.core.errors import DataError
from runner.dataset import download
from runner.dataset.base import Published
from runner.dataset.cifar10 import CLASSES, Cifar10
from runner.dataset.fashion_mnist import FashionMnist
from runner.dataset.mnist import Mnist
from tests.dataset.published import archive, batches, like_mnist

pytest.importorskip("pooch", reason="pooch is not installed: pip install 'optrun[download]'")


class Server(ThreadingHTTPServer):
    """Serves `files`; notes what it is asked for; `cut`: ends the next answer after so many bytes."""

    files: dict[str, bytes]
    asked: list[tuple[str, str | None]]
    cut: int | None = None
    ranges = True


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, wanted))
        if name not in self.server.files:
            self.send_error(404)
            return
        data, first = self.server.files[name], 0
        if wanted and self.server.ranges:
            first = int(re.findall(r"bytes=(\d+)-", wanted)[0])
            if first >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        self.wfile.write(data[first : self.server.cut])
        self.server.cut = None

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.files, made.asked = like_mnist(), []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(autouse=True)
def small(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes are those of the small files."""
    for cls in (Mnist, FashionMnist):
        monkeypatch.setattr(cls, "md5", {name: hashlib.md5(data).hexdigest() for name, data in server.files.items()})
        monkeypatch.setattr(cls, "tests", 10)


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def mnist(server: Server, folder: Path) -> Mnist:
    return Mnist(url=url(server), folder=str(folder))


def test_the_published_hashes_are_those_of_the_publishers() -> None:
    # read from the classes' file, since the fixture above has replaced them
    text = "".join(Path(str(download.__file__)).with_name(f"{name}.py").read_text() for name in ("mnist", "cifar10"))
    for md5 in (
        *("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432"),
        *("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
        "c32a1d4ab5d03f1284b67883e8d87530",
    ):
        assert md5 in text
    shared = Path(__file__).parents[3] / "shared" / "data" / "mnist"
    for path in shared.glob("*.gz"):
        assert hashlib.md5(path.read_bytes()).hexdigest() in text


def test_files_are_fetched_once_and_kept(server: Server, tmp_path: Path) -> None:
    first = mnist(server, tmp_path / "kept").load()
    assert first.x.shape == (50, 1, 28, 28)
    assert len(server.asked) == 4
    assert mnist(server, tmp_path / "kept").load().sha256 == first.sha256
    assert len(server.asked) == 4
    left = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {name for name in left if not name.endswith(".lock")} == set(server.files)


def test_the_test_part_is_that_of_the_authors(server: Server, tmp_path: Path) -> None:
    made = mnist(server, tmp_path)
    division = made.split(made.load())
    assert division.test.tolist() == list(range(40, 50))
    assert len(division.validation) == 4  # a tenth of the others


def test_the_cache_folder_of_the_user_is_used_unless_another_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    FashionMnist(url=url(server)).load()
    assert (tmp_path / "optrun" / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_clothes_have_the_names_of_the_publishers(server: Server, tmp_path: Path) -> None:
    table = FashionMnist(url=url(server), folder=str(tmp_path)).load()
    assert table.classes is not None
    assert (len(table.classes), table.classes[0], table.classes[9]) == (10, "T-shirt/top", "ankle boot")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on_where_it_was(server: Server, tmp_path: Path, ranges: bool) -> None:
    name = "train-images-idx3-ubyte.gz"
    server.cut, server.ranges = 1000, ranges
    with pytest.raises(DataError) as refused:
        mnist(server, tmp_path).load()
    assert f"the connection ended after 1000 of {len(server.files[name])} bytes is refused" in str(refused.value)
    assert (tmp_path / f"{name}.part").stat().st_size == 1000
    mnist(server, tmp_path).load()
    assert server.asked[:2] == [(name, None), (name, "bytes=1000-")]
    assert (tmp_path / name).read_bytes() == server.files[name]
    assert not (tmp_path / f"{name}.part").exists()


def test_a_rest_that_is_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz.part").write_bytes(bytes(10**6))
    mnist(server, tmp_path).load()
    assert server.asked[1] == ("train-images-idx3-ubyte.gz", None)


def test_a_file_with_another_hash_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    name = "train-images-idx3-ubyte.gz"
    md5, server.files[name] = hashlib.md5(server.files[name]).hexdigest(), b"something else"
    with pytest.raises(DataError) as refused:
        mnist(server, tmp_path).load()
    assert str(refused.value) == (
        f"{url(server)}/{name}: another hash is refused\n"
        f"  allowed: a file with md5 {md5}\n"
        f"  do this: try again, give another dataset.url, or put {name} (md5 {md5}) into {tmp_path}"
    )
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.lock"}


def test_offline_the_message_says_where_to_put_the_file(server: Server, tmp_path: Path) -> None:
    name = "train-images-idx3-ubyte.gz"
    md5 = hashlib.md5(server.files[name]).hexdigest()
    nobody = Mnist(url="http://127.0.0.1:9", folder=str(tmp_path))
    with pytest.raises(DataError) as refused:
        nobody.load()
    assert re.sub(r"<.*>", "<why>", str(refused.value)) == (
        f"http://127.0.0.1:9/{name}: <why> is refused\n  allowed: a server that answers\n"
        f"  do this: try again, or put {name} (md5 {md5}) into {tmp_path}"
    )


def test_files_that_were_put_there_by_hand_need_neither_server_nor_pooch(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in server.files.items():
        (tmp_path / name).write_bytes(data)

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(download.importlib, "import_module", missing)
    nobody = Mnist(url="http://127.0.0.1:9", folder=str(tmp_path))
    assert nobody.load().y.tolist() == [*(i % 10 for i in range(40)), *range(10)]
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as refused:
        nobody.load()
    md5 = hashlib.md5(server.files["train-labels-idx1-ubyte.gz"]).hexdigest()
    assert str(refused.value) == (
        "fetching train-labels-idx1-ubyte.gz without pooch is refused\n  allowed: pooch, which fetches it\n"
        "  do this: pip install 'optrun[download]', or put train-labels-idx1-ubyte.gz "
        f"(md5 {md5}) into {tmp_path}"
    )


def test_progress_is_told_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        left = 3

        def read(self, size: int) -> bytes:
            self.left -= 1
            return bytes(1_000_000) if self.left >= 0 else b""

    ticks = iter(range(0, 100, 2))
    monkeypatch.setattr(download.time, "monotonic", lambda: float(next(ticks)))
    with open("/dev/null", "wb") as sink:
        assert download.copied(Slow(), sink, "x.gz", 1_000_000, 4_000_000) == 4_000_000
    assert capsys.readouterr().err.splitlines() == [
        "fetching x.gz: 2 of 4 MB, 50 %",
        "fetching x.gz: 3 of 4 MB, 75 %",
        "fetching x.gz: 4 of 4 MB, 100 %",
    ]


# -- CIFAR-10 --------------------------------------------------------------------------------------------------------


def cifar(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> Published:
    for name, data in files.items():
        (folder / name).write_bytes(data)
        monkeypatch.setattr(Cifar10, "md5", {name: hashlib.md5(data).hexdigest()})
    monkeypatch.setattr(Cifar10, "per_file", 10)
    monkeypatch.setattr(Cifar10, "tests", 10)
    return Cifar10(folder=str(folder))


def test_cifar10_is_read_from_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cifar(tmp_path, monkeypatch, archive(batches()))
    table = made.load()
    assert table.x.shape == (60, 3, 32, 32)
    assert table.y.tolist() == [i % 10 for i in range(10)] * 6
    # image 3 of batch 2 is grey of value 5, in each colour
    assert np.unique(table.x[np.array([23])]).tolist() == [5]
    assert table.classes == CLASSES
    assert made.split(table).test.tolist() == list(range(50, 60))


def test_the_colours_of_cifar10_lie_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    red, green, blue = (bytes([value]) * 1024 for value in (1, 2, 3))
    files = dict.fromkeys(batches(), (b"\x00" + red + green + blue) * 10)
    image = cifar(tmp_path, monkeypatch, archive(files)).load().x[np.array([0])][0]
    assert [np.unique(colour).tolist() for colour in image] == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: {k: v for k, v in found.items() if k != "test_batch.bin"}, "test_batch.bin is missing"),
        (lambda found: found | {"data_batch_2.bin": bytes(30729)}, "data_batch_2.bin has 30729 bytes"),
        (lambda found: found | {"data_batch_3.bin": bytes([10]) + bytes(30729)}, "class 10"),
    ],
)
def test_an_archive_that_is_not_as_published_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, words: str
) -> None:
    with pytest.raises(DataError) as refused:
        cifar(tmp_path, monkeypatch, archive(change(batches()))).load()
    assert f"cifar-10-binary.tar.gz: {words} is refused" in str(refused.value)
    for data in (archive(batches())["cifar-10-binary.tar.gz"][:-20], b"no archive"):
        with pytest.raises(DataError, match=r"a whole tar\.gz archive"):
            cifar(tmp_path, monkeypatch, {"cifar-10-binary.tar.gz": data}).load()


def test_nothing_here_can_unpickle() -> None:
    for path in Path(str(download.__file__)).parent.glob("*.py"):
        assert not re.search(r"import pickle|pickle\.load|allow_pickle=True", path.read_text()), path
