"""The table of the README: `make readme` writes it, a test holds it against the code."""

from __future__ import annotations

import sys
from pathlib import Path

from runner.menu.catalogue import problems, rooms

BEGIN, END = "<!-- menu: make readme -->", "<!-- /menu -->"


def table() -> str:
    """Every room with its choices, as Markdown; the default is bold."""
    lines = ["| room | choices |", "|---|---|"]
    for place in rooms():
        names = [f"**{name}**" if name == place.default else name for name in place.names]
        lines.append(f"| `{place.name}` {place.meaning.partition(': ')[2].rstrip('.')} | {', '.join(names)} |")
    names = [problem.name for problem in problems()]
    lines.append(f"| `problem` functions of the parameters instead of data | {', '.join(names)} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """A page with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
