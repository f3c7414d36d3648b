"""Tables that a bench writes into README.md, between two marks of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write(readme: Path, target: str, lines: Sequence[str]) -> None:
    """Replace what lies between the marks of a make target; ends the program where the file has none."""
    begin, end = f"<!-- make {target}: begin -->", f"<!-- make {target}: end -->"
    before, found, rest = readme.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{readme} has no place for the table: put {begin} and {end} on lines of their own")
    readme.write_text(f"{before}{begin}\n" + "\n".join(lines).rstrip() + f"\n{end}{after}")
