"""Files that are fetched once, checked against their published hash, and kept.

A file that lies in its folder with the right hash is used as it is, whether it was fetched or put there by hand, and
without pooch. Otherwise pooch fetches it, checks it and moves it in place. A download that is cut off goes on where it
was: what has come lies beside the file as FILE.part. Two processes that want one file wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import importlib
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.core.errors import DataError
from runner.dataset.base import Published

CHUNK = 1 << 16
PATIENCE_S = 30.0  # without a byte


def files(made: Published, name: str) -> dict[str, Path]:
    """Every file of a published data set, fetched where it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(made.folder).expanduser().absolute() if made.folder else cache / "optrun" / name
    return {file: fetched(folder, file, made.url, md5) for file, md5 in made.md5.items()}


def fetched(folder: Path, file: str, url: str, md5: str) -> Path:
    """The path of a file with this hash; raises `DataError`, which says where to put it, where it cannot be had."""
    path = folder / file
    if has(path, md5):
        return path
    do = f"put {file} (md5 {md5}) into {folder}"
    try:
        pooch = importlib.import_module("pooch")
    except ImportError:
        do = f"pip install 'optrun[download]', or {do}"
        raise DataError("", f"fetching {file} without pooch", allowed="pooch, which fetches it", do=do) from None
    whole = f"{url.rstrip('/')}/{file}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / f"{file}.lock"):
            pooch.get_logger().setLevel("WARNING")
            pooch.retrieve(whole, f"md5:{md5}", fname=file, path=folder, downloader=resumed)
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise DataError("", f"{whole}: {error}", allowed="a server that answers", do=f"try again, or {do}") from None
    except ValueError as error:
        reason = "another hash" if "hash" in str(error).lower() else str(error)
        do = f"try again, give another dataset.url, or {do}"
        raise DataError("", f"{whole}: {reason}", allowed=f"a file with md5 {md5}", do=do) from None
    return path


def has(path: Path, md5: str) -> bool:
    """Whether a file is there with this hash."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock, which the system frees when the process ends."""
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def resumed(url: str, target: Any, pooch: Any) -> None:
    """Fetch `url` into the file `target`, beginning with what an earlier attempt has left; a downloader for pooch."""
    part = Path(target).with_name(url.rpartition("/")[2] + ".part")
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:  # 416: there is nothing behind what we have
            raise
        error.close()
        part.unlink()
        resumed(url, target, pooch)
        return
    with answer:
        if answer.status != 206:  # the server begins at the beginning
            done = 0
        left = int(answer.headers.get("Content-Length") or 0)
        with open(part, "ab" if done else "wb") as file:
            received = copied(answer, file, url.rpartition("/")[2], done, done + left)
    if left and received < done + left:
        raise OSError(f"the connection ended after {received} of {done + left} bytes")
    shutil.move(part, target)


def copied(answer: Any, file: Any, name: str, done: int, total: int) -> int:
    """Write what comes to `file`; says once a second on stderr how far it is. Returns the size of the file."""
    spoken = time.monotonic()
    while chunk := answer.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        if time.monotonic() > spoken + 1:
            spoken = time.monotonic()
            share = f" of {total / 1e6:.0f} MB, {100 * done // total} %" if total else " MB"
            print(f"fetching {name}: {done / 1e6:.0f}{share}", file=sys.stderr)
    return done
