"""Pages: rows in, a page out.

What varies is the question that a page answers. What is fixed is that a page is derived, from the files of run folders
alone, and complete in itself:

    one file   style and pictures are in it; nothing is loaded, and its own policy (CSP) lets nothing be loaded
    text       every name and sentence is escaped, for it may be anybody's
    bytes      equal folders give equal pages: no date, no path, no order but that of the rows
    reading    without scripts, by keyboard and by screen reader: headings, a skip link, a text for every picture

A page is a template that extends `template/page.html` and fills its blocks `title`, `links` and `main`. The style
`template/style.css` has what pages share: tables, badges, figures.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

import jinja2

from runner.core.errors import DiskError

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}


def page(template: str, **values: object) -> str:
    """The page that a template of this room makes of some values; a value that it lacks is an error."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> jinja2.Environment:
    """Where templates are found, and that all they are given is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "template"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def picture(path: Path) -> str:
    """A picture as an address that holds it; nothing where there is none. Raises `DiskError` if it cannot be read.

    A browser runs no script and loads nothing of a picture that is shown so, whatever is in the file.
    """
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
