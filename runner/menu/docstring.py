"""A choice's docstring in its parts.

    One sentence.                                  sentence

        m <- beta1 m + (1 - beta1) g               formula: what is indented, straight after the sentence

    m starts at 0.                                 prose

    betas: the shares that are kept                meanings: one line an argument, or several names with commas

    (a doctest)                                    example

    Source: who, when, where                       source
    Here: what is done differently, and why        here

A test holds every choice of the house to this order of things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ARGUMENT = re.compile(r"(?P<names>[a-z]\w*(?:, [a-z]\w*)*): +(?P<meaning>\S.*)")


@dataclass(frozen=True)
class Doc:
    """The parts of a docstring. `formula` and `example` keep their lines; paragraphs of the rest are single lines."""

    sentence: str = ""
    formula: str = ""
    prose: tuple[str, ...] = ()
    meanings: tuple[tuple[str, str], ...] = ()  # (argument, meaning)
    example: str = ""
    source: str = ""
    here: str = ""


def parsed(docstring: str) -> Doc:
    """The parts of a docstring that `inspect.cleandoc` has freed of its common indentation.

    >>> parsed("Keep lr.\\n\\n    lr_k = lr\\n\\nfloor: the rest\\n\\nSource: Sun p. 22.").meanings
    (('floor', 'the rest'),)
    """
    first, *others = re.split(r"\n\s*\n", docstring) if docstring else [""]
    formula: list[str] = []
    while others and others[0].startswith("    "):
        formula.append(unindented(others.pop(0)))
    prose: list[str] = []
    meanings: list[tuple[str, str]] = []
    examples: list[str] = []
    closing = {"Source": "", "Here": ""}
    for paragraph in others:
        if paragraph.startswith(">>>"):
            examples.append(paragraph)
        elif ARGUMENT.match(paragraph):
            meanings += argument_lines(paragraph)
        elif paragraph.startswith(("Source: ", "Here: ")):
            for part in re.split(r"\n(?=Source: |Here: )", paragraph):
                name, _, text = part.partition(": ")
                closing[name] = one_line(text)
        else:
            prose.append(paragraph if paragraph.startswith("    ") else one_line(paragraph))
    return Doc(
        sentence=one_line(first),
        formula="\n\n".join(formula),
        prose=tuple(prose),
        meanings=tuple(meanings),
        example="\n\n".join(examples),
        source=closing["Source"],
        here=closing["Here"],
    )


def argument_lines(paragraph: str) -> list[tuple[str, str]]:
    """(argument, meaning) of every `name: meaning`; a line that starts otherwise goes on with the meaning above it."""
    found: list[tuple[str, str]] = []
    for line in paragraph.splitlines():
        if start := ARGUMENT.fullmatch(line):
            found.append((start["names"], start["meaning"]))
        else:
            names, meaning = found.pop()
            found.append((names, f"{meaning} {line.strip()}"))
    return [(name, meaning) for names, meaning in found for name in names.split(", ")]


def first_sentence(text: str) -> str:
    """Up to the first period that ends a word.

    >>> first_sentence("Losses: how wrong, at 1.5\\nor so. What varies is the rest.")
    'Losses: how wrong, at 1.5 or so.'
    """
    return re.split(r"(?<=\.)\s", one_line(text.split("\n\n")[0]), maxsplit=1)[0]


def one_line(paragraph: str) -> str:
    return " ".join(line.strip() for line in paragraph.splitlines())


def unindented(block: str) -> str:
    """A block without the indentation that all its lines share."""
    lines = block.splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(line[margin:] for line in lines)
