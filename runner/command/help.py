"""`optrun --help`: one page."""

from __future__ import annotations

from runner import menu
from runner.command.base import coloured, width


def asked(words: list[str]) -> int:
    """Print it, whatever stands beside."""
    print(menu.help_page(width(), coloured()))
    return 0
