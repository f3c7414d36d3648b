"""Pages: rows in, a page out.

What varies is the question that a page answers. What is fixed is that a page is derived, from the files of run folders
alone, and complete in itself:

    one file   style and pictures are in it; nothing is loaded, and its own policy (CSP) lets nothing be loaded
    text       every name and sentence is escaped, for it may be anybody's, and control characters are spelled
    bytes      equal folders give equal pages: no clock, no path but those typed, no order but that of the rows
    reading    without scripts, by keyboard and by screen reader: headings, a skip link, a text for every picture
    scripts    files of `template/`, allowed by their hash alone: no text on the page can become one

A page is a template that extends `template/page.html` and fills its blocks `title`, `links` and `main`. The style
`template/style.css` has what pages share: tables, badges, figures.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from runner.core.errors import DiskError, visible

TEMPLATES = Path(__file__).parent / "template"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif"}


def page(template: str, scripts: Sequence[str] = (), **values: object) -> str:
    """The page that a template of this room makes of some values; a value that it lacks is an error.

    scripts: names of files of this room, which run in this order when all else of the page is there
    """
    texts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in scripts]
    return environment().get_template(template).render(policy=policy(texts), scripts=texts, **values)


def policy(scripts: Sequence[str]) -> str:
    """What a page may do: show what it holds, and run these scripts; never load, send or embed anything.

    >>> policy(["let a = 1;"]).removeprefix(POLICY)
    "; script-src 'sha256-xY6QKfH9PRsQnLz56nj6MBwiK5oHg+im1Jkpdp1x/Ck='"
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    return "; script-src ".join([POLICY, *([" ".join(f"'sha256-{each}'" for each in hashes)] if scripts else [])])


def spelled(value: object) -> str:
    """What is shown of a value: its text with control characters as their escapes; what is HTML already, as it is."""
    return value if isinstance(value, Markup) else visible(str(value))


@cache
def environment() -> jinja2.Environment:
    """Where templates are found, and that all they are given is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=spelled,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return made


def picture(path: Path) -> str:
    """A picture as an address that holds it; nothing where there is none, or a link, which may lead to anything.

    Raises `DiskError` if it cannot be read.

    A browser runs no script and loads nothing of a picture that is shown so, whatever is in the file.
    """
    if path.is_symlink():
        return ""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}") from None
    return f"data:{KINDS[path.suffix]};base64,{base64.b64encode(data).decode('ascii')}"


def number(value: float) -> str:
    """Four significant digits.

    >>> [number(value) for value in (0.123456, 304.4816, 926843.88, 1e-7, float("inf"))]
    ['0.1235', '304.5', '926,844', '1e-07', 'inf']
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"
