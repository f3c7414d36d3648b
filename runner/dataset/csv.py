from __future__ import annotations

import csv
import os
import re
import stat
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, final

import numpy as np

from runner.core.cells import NotTaken, in_order, is_number, label, number
from runner.core.errors import ConfigError, DataError, did_you_mean
from runner.dataset.base import Divided, Table


@final
@dataclass(frozen=True, kw_only=True)
class Csv(Divided):
    """Read a file of your own: one example a row, the inputs are numbers, one column is the target.

        x [N, d] all columns but the target, in the order of the file,  y [N] the target column

    Nothing is guessed, filled in or rounded: a cell that is not one finite decimal number (12, -0.5, 1e-3; spaces
    around it are allowed) ends the run with its line and column. So does an integer beyond 2^53 that float64 does
    not hold: it is an identifier rather than a measurement.

    Classes are texts, kept as they are: "NA" and "007" are classes. They are numbered in numerical order where all
    are integers, else in alphabetical order. A class may be rare, since the division leaves each class a row for
    training; but three or more classes with fewer than three rows each on average, one for each part, are refused:
    that column holds numbers, or names of single examples.

    path: the file, in UTF-8; relative to the current folder, and recorded in full
    target: name of the target column, or its number from 0, from the end if negative; null is the last column
    header: the first line holds the names of the columns; without it they are called 0, 1, ...
    targets: what the target column holds, classes or numbers
    delimiter: what separates two cells: one character, or the word comma, semicolon, tab, space or bar

    >>> flowers = Csv(path="flowers.csv", target="kind")
    >>> table = flowers.parse(["width,kind,height", "0.5,rose,12", "1,lily,10"])
    >>> table.x.tolist(), table.y.tolist(), table.classes, table.columns
    ([[0.5, 12.0], [1.0, 10.0]], [1, 0], ('lily', 'rose'), ('width', 'height'))

    Source: RFC 4180.
    Here: lines may end in any of the three ways, blank lines at the end and a byte-order mark are allowed, the names
    of columns are taken without the spaces around them. Raises `DataError` for everything else.
    """

    path: str = "???"
    target: str | int | None = None
    header: bool = True
    targets: Literal["classes", "numbers"] = "classes"
    delimiter: str = ","

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or self.path in ("", "???"):
            raise ConfigError("path", self.path, allowed="the name of a CSV file", do="give path=FILE")
        super().__post_init__()
        object.__setattr__(self, "path", os.path.abspath(os.path.expanduser(self.path)))
        if len(self.separator) != 1 or self.separator.isalnum() or self.separator in '."+-_\r\n\0':
            raise ConfigError(
                "delimiter",
                self.delimiter,
                allowed=f"{' | '.join(DELIMITERS)}, or one character that is no part of a number or a word",
                do="give delimiter=semicolon, or what else separates the cells",
            )

    @property
    def separator(self) -> str:
        """The character between two cells."""
        return DELIMITERS.get(self.delimiter, self.delimiter)

    def load(self) -> Table:
        try:
            self._check_file()
            with open(self.path, encoding="utf-8-sig", newline="") as file:
                return self.parse(file)
        except UnicodeDecodeError:
            raise self._not_utf8() from None
        except OSError as error:
            raise self._refused("", f"a file that can be read: {error.strerror}", "check the file") from None

    def parse(self, lines: Iterable[str]) -> Table:
        """The table that these lines of text hold; raises `DataError` with the place of what it does not take."""
        rows = self._rows(lines)
        first = next(rows, None)
        if first is None:
            raise self._refused("", "one row for each example; the file is empty", "give a file with data")
        names, target = self._columns(first[1])
        x, y, classes = array("d"), array("d"), dict[str, int]()
        for line, row in rows if self.header else chain([first], rows):
            if len(row) != len(names):
                raise self._refused(
                    f", line {line}: a row of {len(row)}",
                    f"rows of {len(names)} cells, as in line 1",
                    f"{self._other_delimiter(row)}complete the row, or quote a cell that contains the delimiter",
                )
            for j, cell in enumerate(row):
                try:
                    if j != target:
                        x.append(number(cell))
                    elif self.targets == "numbers":
                        y.append(number(cell))
                    else:
                        y.append(classes.setdefault(label(cell), len(classes)))
                except NotTaken as reason:
                    hint = ""
                    if line == 1 and cell.strip():
                        hint = "; or dataset.header=true if this line holds the names of the columns"
                    elif j == target and cell.strip():
                        hint = "; or dataset.targets=classes if the target is a class"
                    place = f", line {line}, column {names[j]}: {cell[:60]!r}"
                    raise self._refused(place, reason.allowed, reason.do + hint) from None
        if not y:
            raise self._refused("", "rows below the header; there are none", "give a file with data")
        inputs = np.frombuffer(x).reshape(len(y), -1)
        columns = tuple(name for j, name in enumerate(names) if j != target)
        given = np.frombuffer(y)
        if (given == given[0]).all():
            raise self._refused(
                f", target {names[target]}: one value in all {len(y)} rows",
                "a target with two different values or more",
                "choose another column as dataset.target",
            )
        if self.targets == "numbers":
            return Table(inputs, given, classes=None, columns=columns)
        self._check_classes(names[target], classes, len(y))
        order = in_order(classes)
        rank = np.empty(len(order), np.int64)
        rank[[classes[text] for text in order]] = np.arange(len(order))
        return Table(inputs, rank[given.astype(np.int64)], tuple(order), columns)

    def _rows(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of every row; a row that goes on over several lines counts as its first."""
        newest = ""

        def text() -> Iterator[str]:
            nonlocal newest
            for at, newest in enumerate(lines, 1):
                if "\0" in newest:
                    raise self._refused(
                        f", line {at}: a NUL character",
                        "text in UTF-8",
                        "save the file as CSV in UTF-8 (UTF-16 without a byte-order mark and binary files hold NULs)",
                    )
                yield newest

        reader = csv.reader(text(), delimiter=self.separator, strict=True)
        blank = 0
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise self._refused(
                    f", line {line}: {error}",
                    'cells as they are, or between two quotes ("), a quote inside written twice',
                    f"{self._other_delimiter([newest])}look for a quote without its partner, from this line on",
                ) from None
            if row is None:
                return
            if not row or (len(row) == 1 and not row[0].strip()):
                blank = blank or line
            elif blank:
                raise self._refused(f", line {blank}: a blank line", "blank lines at the end only", "remove the line")
            else:
                yield line, row

    def _columns(self, first: list[str]) -> tuple[list[str], int]:
        """The names of all columns and the position of the target, from the cells of line 1."""
        if len(first) < 2:
            raise self._refused(
                ", line 1: 1 column",
                "two columns or more: the inputs and the target",
                f"{self._other_delimiter(first)}give a file with inputs",
            )
        d = len(first)
        names = [cell.strip() for cell in first] if self.header else [str(j) for j in range(d)]
        wanted = -1 if self.target is None else self.target
        if isinstance(wanted, str):
            target = names.index(wanted) if self.header and wanted in names else None
        else:
            target = wanted % d if -d <= wanted < d else None
        texts = [j for j, cell in enumerate(first) if not is_number(cell)]
        looks_like_data = len(texts) <= 1 if target is None else set(texts) <= {target} and wanted != names[target]
        if self.header and looks_like_data:
            raise self._refused(
                ", line 1: numbers instead of names",
                "the names of the columns in the first line",
                "give dataset.header=false if the file has no names; if these are names, name the target too "
                "(dataset.target=NAME)",
            )
        if target is None:
            raise self._no_target(names)
        seen: dict[str, int] = {}
        for j, name in enumerate(names):
            if not name:
                raise self._refused(
                    f", line 1: column {j} has no name",
                    "a name for every column",
                    "name it or remove it (a saved row number? a delimiter at the end of each line?)",
                )
            if seen.setdefault(name, j) != j:
                raise self._refused(
                    f", line 1: columns {seen[name]} and {j} are both called {name}",
                    "a different name for every column",
                    "rename or remove one of them",
                )
        return names, target

    def _no_target(self, names: list[str]) -> DataError:
        d = len(names)
        numbers = f"a column number from {-d} to {d - 1}"
        if not self.header:
            return self._refused(f", target {self.target}", f"{numbers}, since there is no header", "count from 0")
        listed = ", ".join(names[:20]) + (", ..." if d > 20 else "")
        do = f"{did_you_mean(str(self.target), names)}give dataset.target=NAME"
        if str(self.target) in names:
            do = f"""for the column of that name quote it twice: "dataset.target='{self.target}'\""""
        return self._refused(f", target {self.target}", f"{numbers}, or one of {listed}", do)

    def _check_classes(self, name: str, classes: dict[str, int], n: int) -> None:
        if len(classes) > 2 and 3 * len(classes) > n:
            do = "choose another column as dataset.target"
            raise self._refused(
                f", target {name}: {len(classes)} different values in {n} rows",
                "classes with three rows or more on average",
                f"give dataset.targets=numbers, or {do}" if all(map(is_number, classes)) else do,
            )
        bare: dict[str, str] = {}
        for text in classes:
            twin = bare.setdefault(text.strip(), text)
            if twin != text:
                raise self._refused(
                    f", target {name}: the classes {twin!r} and {text!r}",
                    "classes that differ in more than the spaces around them",
                    "write both in the same way",
                )

    def _check_file(self) -> None:
        try:
            mode = os.stat(self.path).st_mode
        except FileNotFoundError:
            folder, name = os.path.split(self.path)
            beside = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
            do = f"{did_you_mean(name, beside)}give dataset.path=FILE"
            if not os.path.isdir(folder):
                do = f"there is no folder {folder}; {do}"
            raise self._refused("", "a file that exists", do) from None
        except ValueError as error:
            raise self._refused("", f"the name of a file: {error}", "give dataset.path=FILE") from None
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise self._refused("", f"a file; this is {what}", "give dataset.path=FILE")
        with open(self.path, "rb") as file:
            head = file.read(4)
        for mark, looks_like in MARKS.items():
            if head.startswith(mark):
                raise self._refused("", f"text in UTF-8; this looks like {looks_like}", "save it as CSV in UTF-8")

    def _not_utf8(self) -> DataError:
        data = Path(self.path).read_bytes()
        try:
            data.decode()
            place = ""  # somebody has repaired the file in the meantime
        except UnicodeDecodeError as error:
            line = 1 + len(re.findall(rb"\r\n|\r|\n", data[: error.start]))
            place = f", line {line}: byte 0x{data[error.start]:02x}"
        return self._refused(
            place,
            "text in UTF-8; this looks like Windows-1252 or Latin-1",
            "save it as CSV in UTF-8, for instance with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        )

    def _other_delimiter(self, cells: list[str]) -> str:
        """A hint where these cells contain what separates cells in other files."""
        others = {word: mark for word, mark in DELIMITERS.items() if word != "space" and mark != self.separator}
        word = max(others, key=lambda word: sum(cell.count(others[word]) for cell in cells))
        found = any(others[word] in cell for cell in cells)
        return f"give dataset.delimiter={word} if that is what separates cells, else " if found else ""

    def _refused(self, place: str, allowed: str, do: str) -> DataError:
        return DataError("", self.path + place, allowed=allowed, do=do)


DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}
MARKS = {  # the first bytes; that of UTF-32 begins with that of UTF-16
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\x1f\x8b": "a gzip archive",
}
