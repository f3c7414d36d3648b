"""The command that drew a picture, in a file beside it: `landscape.json` for `landscape.png`, `.svg` and `.gif`.

A picture that a run or a sweep draws by itself needs none: `optrun plot FOLDER` draws it again.
"""

from __future__ import annotations

from pathlib import Path

from runner.core.errors import CorruptError
from runner.store.base import read_json, write_json
from runner.store.folder import sealed, unsealed

FORMAT = 1


def note(folder: Path, stem: str, command: str) -> None:
    """Keep the command for the pictures of a name."""
    write_json(folder / f"{stem}.json", sealed({"format": FORMAT, "command": command}))


def command_of(folder: Path, stem: str) -> str:
    """The command that drew the pictures of a name; nothing where it was not kept, or was changed since.

    Raises `DiskError` if it cannot be read.
    """
    path = folder / f"{stem}.json"
    if path.is_symlink() or not path.is_file():
        return ""
    try:
        content = read_json(path)
    except CorruptError:
        return ""
    command = content.get("command")
    return command if unsealed(content) and content.get("format") == FORMAT and isinstance(command, str) else ""
