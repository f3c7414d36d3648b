"""Plain text in a given width: paragraphs, formulas, two columns. Bold is added last, since it has no width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

NARROWEST, WIDEST = 40, 120
RANGE = re.compile(r"(?<=[\[(])(-?[\w.+-]+), (?=[\w.+-]+[\])])")  # [0, 1) stays in one line
GAP = "\0"


def fitted(width: int) -> int:
    """A width in which text can be read."""
    return min(max(width, NARROWEST), WIDEST)


def paragraph(text: str, width: int, indent: int = 0, hang: int = 0) -> list[str]:
    """A text broken into lines; all but the first are indented by `hang` more.

    >>> paragraph("one two three four", 12, indent=2, hang=2)
    ['  one two', '    three', '    four']
    """
    first, rest = " " * indent, " " * (indent + hang)
    whole = RANGE.sub(rf"\1,{GAP}", text)
    lines = textwrap.wrap(whole, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return [line.replace(GAP, " ") for line in lines]


def verbatim(block: str, width: int, indent: int = 0) -> list[str]:
    """Lines as they are; one that is too long is broken first between its formulas, then anywhere.

    >>> verbatim("m <- g,   s <- g^2,   t <- 1", 22, indent=2)
    ['  m <- g,   s <- g^2,', '    t <- 1']
    """
    lines: list[str] = []
    for line in block.splitlines():
        if not line:
            lines.append("")
            continue
        pieces = re.split(r"((?<=[,;])\s{2,})", line)  # formula, gap, formula, gap, formula
        current = " " * indent + pieces[0]
        for gap, piece in zip(pieces[1::2], pieces[2::2], strict=True):
            if len(current + gap + piece) <= width:
                current += gap + piece
            else:
                lines += broken(current, width, indent)
                current = " " * (indent + 2) + piece
        lines += broken(current, width, indent)
    return lines


def broken(line: str, width: int, indent: int) -> list[str]:
    """A line that goes on below its second column, where it has columns."""
    if len(line) <= width:
        return [line]
    first_column = re.match(r"\s*\S+\s{2,}", line)
    hang = first_column.end() if first_column and first_column.end() < width // 2 else indent + 4
    return textwrap.wrap(line, width, subsequent_indent=" " * hang, break_on_hyphens=False)


def columns(rows: Sequence[tuple[str, str]], width: int, left: int, indent: int = 2) -> list[str]:
    """Two columns, the right one `left` characters in; where that leaves little room, one below the other."""
    lines: list[str] = []
    stacked = width - left < NARROWEST // 2
    for name, text in rows:
        head = " " * indent + name
        if stacked or len(head) + 2 > left:
            lines += paragraph(name, width, indent, hang=4)
            lines += paragraph(text, width, indent + 4 if stacked else left)
        else:
            first, *others = paragraph(text, width, left) or [""]
            lines += [head + first[len(head) :], *others]
    return lines


def page(intro: str, sections: Sequence[tuple[str, Sequence[str]]], width: int, colour: bool = False) -> str:
    """A paragraph, and below it sections, whose titles are bold if `colour` is asked for."""
    lines = paragraph(intro, width)
    for title, body in sections:
        lines += ["", *(bold(line, colour) for line in paragraph(title, width)), *body]
    return joined(lines)


def commands(examples: Sequence[str], width: int) -> list[str]:
    """Lines to type, one below the other."""
    return [line for each in examples for line in paragraph(each, width, indent=2, hang=2)]


def bold(text: str, colour: bool) -> str:
    """The text between the codes for bold, if `colour` is asked for; its indentation stays outside."""
    if not colour:
        return text
    inner = text.lstrip()
    return f"{text[: len(text) - len(inner)]}\x1b[1m{inner}\x1b[0m"


def joined(lines: Sequence[str]) -> str:
    """One text, as `print` takes it."""
    return "\n".join(lines)
