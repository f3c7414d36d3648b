"""What the source of a choice says, read with `ast`: its docstring, and its arguments with types and defaults.

Importing the rooms would import torch and take a second and more. Here nothing is imported and nothing is executed:
annotations and defaults are evaluated by `value`, which knows literals, the names of `runner.core.check` and what the
file itself and its room's `base.py` define in these terms. A test holds every result against the imported class.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union

from runner.core import check

BUILTINS = {kind.__name__: kind for kind in (float, int, str, bool, tuple, list, dict)}
KNOWN: dict[str, Any] = BUILTINS | {name: meaning for name, meaning in vars(check).items() if name[0] != "_"}
FACTORIES: dict[str, Any] = {"dict": {}, "list": [], "tuple": ()}


class Unreadable(Exception):
    """An expression that only running the file could evaluate."""


@dataclass(frozen=True)
class Field:
    """One argument of a choice; `default` is `dataclasses.MISSING` where it has to be given."""

    annotation: Any
    default: Any


@dataclass(frozen=True)
class Source:
    """A class with what it inherits inside its room: docstrings from the first base to the class itself."""

    name: str
    docstrings: tuple[str, ...]
    fields: dict[str, Field]  # its own first, then the inherited ones


@cache
def module(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_docstring(path: Path) -> str:
    return docstring(module(path))


def docstring(node: ast.Module | ast.ClassDef) -> str:
    """A docstring without the indentation of its class.

    `inspect.cleandoc` takes what all lines share, which is too much where nothing but a formula follows the sentence.
    """
    text = ast.get_docstring(node, clean=False) or ""
    margin = " " * node.body[0].col_offset if text else ""
    return "\n".join(line.removeprefix(margin).rstrip() for line in text.splitlines()).strip()


def choice(path: Path) -> Source | None:
    """The choice in a room's file: its class that is `@final`. A helper's file has none."""
    base = path.with_name("base.py")
    names = KNOWN | definitions(base) | definitions(path)
    for found in classes(path).values():
        if any(isinstance(mark, ast.Name) and mark.id == "final" for mark in found.decorator_list):
            family = [*ancestors(found, classes(base) | classes(path)), found]
            fields: dict[str, Field] = {}
            for member in reversed(family):
                fields |= own_fields(member, names) | fields
            return Source(found.name, tuple(docstring(member) for member in family), fields)
    return None


def classes(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in module(path).body if isinstance(node, ast.ClassDef)}


def ancestors(found: ast.ClassDef, family: Mapping[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """The bases of a class that are defined in its room, the remotest first."""
    near = [family[base.id] for base in found.bases if isinstance(base, ast.Name) and base.id in family]
    return [member for base in near for member in [*ancestors(base, family), base]]


def own_fields(found: ast.ClassDef, names: Mapping[str, Any]) -> dict[str, Field]:
    """The dataclass fields that a class body declares."""
    fields: dict[str, Field] = {}
    for node in found.body:
        match node:
            case ast.AnnAssign(annotation=ast.Subscript(value=ast.Name("ClassVar")) | ast.Name("ClassVar")):
                pass
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation, value=default):
                fields[name] = Field(value(annotation, names), default_value(default, names))
    return fields


def default_value(node: ast.expr | None, names: Mapping[str, Any]) -> Any:
    """The default that stands behind the `=` of a field."""
    match node:
        case None:
            return dataclasses.MISSING
        case ast.Call(func=ast.Name("field"), args=[], keywords=[ast.keyword("default_factory", ast.Name(factory))]):
            return FACTORIES[factory] if factory in FACTORIES else unknown(factory)  # a choice of a room inside
        case ast.Call(
            func=ast.Name("field"),
            args=[],
            keywords=[ast.keyword("default_factory", ast.Lambda(args=ast.arguments(args=[]), body=body))],
        ):
            return value(body, names)
        case _:
            return value(node, names)


def definitions(path: Path) -> dict[str, Any]:
    """The names that a file assigns at its top level, as far as `value` can read them."""
    found: dict[str, Any] = {}
    for node in module(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=expression):
                try:
                    found[name] = value(expression, KNOWN | found)
                except (Unreadable, TypeError):
                    continue
    return found


def value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an annotation or a default. A name that is not known stands for a class of that name.

    >>> def of(text: str) -> Any:
    ...     return value(ast.parse(text, mode="eval").body, KNOWN)
    >>> check.spelled(of("tuple[Below1, Annotated[float, Range(above=1)]] | None"))
    '[a number in [0, 1), a number in (1, inf)] or null'
    >>> of("[-1, (0.5, 'relu')]")
    [-1, (0.5, 'relu')]
    >>> of("open('x')")
    Traceback (most recent call last):
    runner.menu.source.Unreadable: open('x')
    """
    match node:
        case ast.Constant(constant):
            return constant
        case ast.Name(name):
            return names[name] if name in names else unknown(name)
        case ast.Attribute(attr=name):
            return unknown(name)
        case ast.Tuple(items):
            return tuple(value(item, names) for item in items)
        case ast.List(items):
            return [value(item, names) for item in items]
        case ast.Dict(keys, items) if None not in keys:
            return {value(key, names): value(item, names) for key, item in zip(keys, items, strict=True) if key}
        case ast.UnaryOp(ast.USub(), operand):
            return -value(operand, names)
        case ast.BinOp(left, ast.BitOr(), right):
            return Union[value(left, names), value(right, names)]  # noqa: UP007  None | None is no type
        case ast.Subscript(generic, argument):
            return value(generic, names)[value(argument, names)]
        case ast.Call(ast.Name("Range"), [], bounds):
            return check.Range(**{bound.arg: value(bound.value, names) for bound in bounds if bound.arg})
        case _:
            raise Unreadable(ast.unparse(node))


@cache
def unknown(name: str) -> type:
    """A stand-in for a class that would have to be imported: it has the name, which is what is shown."""
    return type(name, (), {"__class_getitem__": classmethod(lambda cls, _: cls)})
