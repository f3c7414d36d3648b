"""What there is to choose, as text: `optrun list` and `optrun --help`.

All of it is read from the source of the rooms and from conf/ when it is asked for, so it cannot go stale, and without
importing the rooms, so it is there at once.

    docstring   a docstring in its parts
    source      a class in its parts, by `ast`
    catalogue   rooms, choices, arguments, plain keys
    text        paragraphs and columns in a given width
    pages       `optrun list`
    help        `optrun --help`
    readme      the table in README.md
"""

from __future__ import annotations

from runner.menu.catalogue import Argument, Entry, Key, Own, Problem, Room, conf_dir, own, plain_keys, problems, rooms
from runner.menu.help import help_page, landscape_page, report_page, tune_page
from runner.menu.pages import choice, listing, overview, room

__all__ = [
    "Argument", "Entry", "Key", "Own", "Problem", "Room", "choice", "conf_dir", "help_page", "landscape_page",
    "listing", "overview", "own", "plain_keys", "problems", "report_page", "room", "rooms", "tune_page",
]  # fmt: skip
