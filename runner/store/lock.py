"""The lock of a folder that one process at a time may write: of a run, or of a sweep.

A process that works on it holds the lock alone, and the system frees it when the process ends, however it ends. Who
only asks whether somebody works there shares the lock for some microseconds, with whoever else asks.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from runner.core.errors import CorruptError, LockedError
from runner.store.base import disk

PATIENCE_S = 5.0  # with those who only ask, one of whom may be stopped while it does
RETRY_S = 0.001


def locked(path: Path) -> int:
    """The descriptor of the folder's lock file, locked; the system frees it when the process ends, however it ends."""
    file = path / ".lock"
    if file.is_symlink():
        raise CorruptError(f"{file} is a link: whatever it leads to would be emptied")
    with disk(file, "lock"):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not lock_taken(descriptor, fcntl.LOCK_EX):
                # Who only asks can share the lock; a run does not.
                if not lock_taken(descriptor, fcntl.LOCK_SH) or time.monotonic() > deadline:
                    raise LockedError(in_use_by(path))
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                time.sleep(RETRY_S)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def in_use_by(path: Path) -> str:
    """Who holds the folder's lock, as a message."""
    with disk(path / ".lock", "read"):
        owner = (path / ".lock").read_bytes()[:64].decode("ascii", "replace").strip()
    return f"{path} is in use by process {owner or 'unknown'}; wait for it or stop it"


def in_use(path: Path) -> bool:
    """Whether a live process holds the folder's lock."""
    try:
        descriptor = os.open(path / ".lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        return not lock_taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def lock_taken(descriptor: int, kind: int) -> bool:
    """Take a lock, exclusive or shared, if that is possible at once; whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
