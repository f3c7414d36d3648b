"""`optrun list [ROOM] [CHOICE] [--config-dir DIR]`: what there is."""

from __future__ import annotations

from pathlib import Path

from runner import menu
from runner.command.base import coloured, width
from runner.composing import existing_folder


def asked(words: list[str]) -> int:
    """Print the page of all rooms, of one, or of a choice."""
    directory = None
    if "--config-dir" in words:
        at = words.index("--config-dir")
        directory = Path(existing_folder(words[at + 1] if at + 1 < len(words) else ""))
        words = [*words[:at], *words[at + 2 :]]
    print(menu.listing(words, width(), coloured(), directory))
    return 0
