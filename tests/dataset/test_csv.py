"""A CSV file of the user's: what it may hold, and the whole message for what it may not."""

from __future__ import annotations

import csv as stdlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import ConfigError, DataError
from runner.dataset.csv import Csv

NUMBER = "one finite number in decimal notation, such as 12, -0.5 or 1e-3"
MISSING = "fill the cell in or remove the row: a missing value is not made up"
WRONG = "correct the cell, or write the column as numbers, or remove it"
IN_UTF8 = "text in UTF-8"
QUOTES = 'cells as they are, or between two quotes ("), a quote inside written twice'
TWO_CLASSES = "a target with two different values or more"
OTHER_TARGET = "choose another column as dataset.target"


def text(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def read(tmp_path: Path, content: str | bytes, **arguments: Any) -> Any:
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Csv(path=str(path), **arguments).load()


def cell(given: str) -> str:
    """A file whose line 3 has this cell in column `width`."""
    return text("width,kind", "1,a", f'"{given}",b')


# content, arguments, place in the file, allowed, do
BAD: dict[str, tuple[str | bytes, dict[str, Any], str, str, str]] = {
    "nothing": ("", {}, "", "one row for each example; the file is empty", "give a file with data"),
    "only blank lines": ("\n \n", {}, "", "one row for each example; the file is empty", "give a file with data"),
    "only a header": (text("a,b"), {}, "", "rows below the header; there are none", "give a file with data"),
    "a short row": (
        text("a,b,kind", "1,2,x", "3,y"),
        {},
        ", line 3: a row of 2",
        "rows of 3 cells, as in line 1",
        "complete the row, or quote a cell that contains the delimiter",
    ),
    "a long row, after a cell of two lines": (
        text("a,kind", '1,"x\ny"', "2,x,y"),
        {},
        ", line 4: a row of 3",
        "rows of 2 cells, as in line 1",
        "complete the row, or quote a cell that contains the delimiter",
    ),
    "a text among numbers": (cell("wide"), {}, ", line 3, column width: 'wide'", NUMBER, WRONG),
    "an empty cell": (cell(""), {}, ", line 3, column width: ''", NUMBER, MISSING),
    "a cell of spaces": (cell("  "), {}, ", line 3, column width: '  '", NUMBER, MISSING),
    "nan": (cell("nan"), {}, ", line 3, column width: 'nan'", NUMBER, MISSING),
    "NA": (cell("NA"), {}, ", line 3, column width: 'NA'", NUMBER, MISSING),
    "infinity": (cell("-inf"), {}, ", line 3, column width: '-inf'", NUMBER, WRONG),
    "an underscore that float() would take": (
        cell("1_000"),
        {},
        ", line 3, column width: '1_000'",
        NUMBER,
        "write the number without underscores",
    ),
    "a hexadecimal number": (cell("0x10"), {}, ", line 3, column width: '0x10'", NUMBER, WRONG),
    "a digit of another script that float() would take": (
        cell("\u0661"),
        {},
        ", line 3, column width: '\u0661'",
        NUMBER,
        WRONG,
    ),
    "a no-break space, visible in the message": (
        cell("1\u00a0"),
        {},
        r", line 3, column width: '1\xa0'",
        NUMBER,
        WRONG,
    ),
    "a letter before a number": (cell("A5"), {}, ", line 3, column width: 'A5'", NUMBER, WRONG),
    "a decimal comma": (
        cell("1,5"),
        {},
        ", line 3, column width: '1,5'",
        NUMBER,
        "write the number with a decimal point and without commas",
    ),
    "a number that would be infinite": (
        cell("1e999"),
        {},
        ", line 3, column width: '1e999'",
        NUMBER,
        "use another unit: float64 ends at 1.8e308 and 4.9e-324",
    ),
    "a number that would be zero": (
        cell("1e-999"),
        {},
        ", line 3, column width: '1e-999'",
        NUMBER,
        "use another unit: float64 ends at 1.8e308 and 4.9e-324",
    ),
    "the first integer that float64 does not hold": (
        cell("9007199254740993"),
        {},
        ", line 3, column width: '9007199254740993'",
        NUMBER,
        "remove the column if it is an identifier; float64 would make it 9007199254740992",
    ),
    "a text as a target that is to be a number": (
        text("a,b", "1,2", "2,high"),
        {"targets": "numbers"},
        ", line 3, column b: 'high'",
        NUMBER,
        f"{WRONG}; or dataset.targets=classes if the target is a class",
    ),
    "an empty class": (
        text("a,kind", "1,", "2,y"),
        {},
        ", line 2, column kind: ''",
        "a class in every row",
        "fill the cell in or remove the row",
    ),
    "two columns of one name": (
        text("a,a ,kind", "1,2,x", "2,1,y"),
        {},
        ", line 1: columns 0 and 1 are both called a",
        "a different name for every column",
        "rename or remove one of them",
    ),
    "a column without a name": (
        text(",a,kind", "0,1,x", "1,2,y"),
        {},
        ", line 1: column 0 has no name",
        "a name for every column",
        "name it or remove it (a saved row number? a delimiter at the end of each line?)",
    ),
    "a misspelled target": (
        text("a,b,kind", "1,2,x", "2,1,y"),
        {"target": "kid"},
        ", target kid",
        "a column number from -3 to 2, or one of a, b, kind",
        "did you mean kind? give dataset.target=NAME",
    ),
    "a target beyond the last column": (
        text("a,b,kind", "1,2,x", "2,1,y"),
        {"target": 3},
        ", target 3",
        "a column number from -3 to 2, or one of a, b, kind",
        "give dataset.target=NAME",
    ),
    "a number where a name that looks like it is meant": (
        text("a,b,2019", "1,2,x", "2,1,y"),
        {"target": 2019},
        ", target 2019",
        "a column number from -3 to 2, or one of a, b, 2019",
        """for the column of that name quote it twice: "dataset.target='2019'\"""",
    ),
    "a target by name without a header": (
        text("1,2,x", "2,1,y"),
        {"target": "x", "header": False},
        ", target x",
        "a column number from -3 to 2, since there is no header",
        "count from 0",
    ),
    "no header where one is expected": (
        text("5.1,3.5,setosa", "4.9,3.0,virginica"),
        {},
        ", line 1: numbers instead of names",
        "the names of the columns in the first line",
        "give dataset.header=false if the file has no names; if these are names, name the target too "
        "(dataset.target=NAME)",
    ),
    "no header, and a target by name": (
        text("5.1,3.5,setosa", "4.9,3.0,virginica"),
        {"target": "species"},
        ", line 1: numbers instead of names",
        "the names of the columns in the first line",
        "give dataset.header=false if the file has no names; if these are names, name the target too "
        "(dataset.target=NAME)",
    ),
    "a header where none is expected": (
        text("a,kind", "1,x", "2,y"),
        {"header": False},
        ", line 1, column 0: 'a'",
        NUMBER,
        f"{WRONG}; or dataset.header=true if this line holds the names of the columns",
    ),
    "another delimiter": (
        text("a;b;kind", "1;2;x", "2;1;y"),
        {},
        ", line 1: 1 column",
        "two columns or more: the inputs and the target",
        "give dataset.delimiter=semicolon if that is what separates cells, else give a file with inputs",
    ),
    "another delimiter between quoted names": (
        text('"a"\t"kind"', "1\tx", "2\ty"),
        {},
        """, line 1: ',' expected after '"'""",
        QUOTES,
        "give dataset.delimiter=tab if that is what separates cells, else "
        "look for a quote without its partner, from this line on",
    ),
    "one column": (
        text("kind", "x", "y"),
        {},
        ", line 1: 1 column",
        "two columns or more: the inputs and the target",
        "give a file with inputs",
    ),
    "a quote without its partner": (
        text("a,kind", "1,x", '2,"y', "3,x"),
        {},
        ", line 3: unexpected end of data",
        QUOTES,
        "look for a quote without its partner, from this line on",
    ),
    "a blank line in the middle": (
        text("a,kind", "1,x", "", "2,y"),
        {},
        ", line 3: a blank line",
        "blank lines at the end only",
        "remove the line",
    ),
    "UTF-16": (
        text("a,kind", "1,x").encode("utf-16"),
        {},
        "",
        f"{IN_UTF8}; this looks like UTF-16",
        "save it as CSV in UTF-8",
    ),
    "UTF-32": (
        text("a,kind", "1,x").encode("utf-32"),
        {},
        "",
        f"{IN_UTF8}; this looks like UTF-32",
        "save it as CSV in UTF-8",
    ),
    "a workbook": (
        b"PK\x03\x04\x14\x00\x06\x00",
        {},
        "",
        f"{IN_UTF8}; this looks like an Excel workbook or a zip archive",
        "save it as CSV in UTF-8",
    ),
    "Latin-1": (
        text("a,kind", "1,x", "2,caf\u00e9").encode("latin-1"),
        {},
        ", line 3: byte 0xe9",
        f"{IN_UTF8}; this looks like Windows-1252 or Latin-1",
        "save it as CSV in UTF-8, for instance with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
    ),
    "a NUL": (
        text("a,kind", "1,x", "2,y\0"),
        {},
        ", line 3: a NUL character",
        IN_UTF8,
        "save the file as CSV in UTF-8 (UTF-16 without a byte-order mark and binary files hold NULs)",
    ),
    "one class": (
        text("a,kind", "1,x", "2,x"),
        {},
        ", target kind: one value in all 2 rows",
        TWO_CLASSES,
        OTHER_TARGET,
    ),
    "one number as the target": (
        text("a,b", "1,0.5", "2,.50"),
        {"targets": "numbers"},
        ", target b: one value in all 2 rows",
        TWO_CLASSES,
        OTHER_TARGET,
    ),
    "numbers as classes": (
        text("a,b", *(f"{i},{i}.5" for i in range(9))),
        {},
        ", target b: 9 different values in 9 rows",
        "classes with three rows or more on average",
        f"give dataset.targets=numbers, or {OTHER_TARGET}",
    ),
    "names of examples as classes": (
        text("a,b", *(f"{i},person {i}" for i in range(9))),
        {},
        ", target b: 9 different values in 9 rows",
        "classes with three rows or more on average",
        OTHER_TARGET,
    ),
    "classes that differ in a space": (
        text("a,kind", "1,x", "2, x"),
        {},
        ", target kind: the classes 'x' and ' x'",
        "classes that differ in more than the spaces around them",
        "write both in the same way",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_place_what_is_allowed_and_what_to_do(tmp_path: Path, name: str) -> None:
    content, arguments, place, allowed, do = BAD[name]
    with pytest.raises(DataError) as refused:
        read(tmp_path, content, **arguments)
    path = tmp_path / "data.csv"
    assert str(refused.value) == f"{path}{place} is refused\n  allowed: {allowed}\n  do this: {do}"
    assert refused.value.exit_code == 2


def test_a_missing_file_is_refused_with_the_name_of_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").touch()
    path = tmp_path / "flower.csv"
    with pytest.raises(DataError) as refused:
        Csv(path=str(path)).load()
    assert str(refused.value) == (
        f"{path} is refused\n  allowed: a file that exists\n  do this: did you mean flowers.csv? give dataset.path=FILE"
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "data.csv"
    with pytest.raises(DataError) as refused:
        Csv(path=str(path)).load()
    assert str(refused.value) == (
        f"{path} is refused\n  allowed: a file that exists\n"
        f"  do this: there is no folder {path.parent}; give dataset.path=FILE"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        Csv(path=str(tmp_path)).load()
    assert str(refused.value) == (
        f"{tmp_path} is refused\n  allowed: a file; this is a folder\n  do this: give dataset.path=FILE"
    )


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError) as refused:
        Csv(path=str(tmp_path / "pipe")).load()
    assert str(refused.value) == (
        f"{tmp_path / 'pipe'} is refused\n  allowed: a file; this is a device or a pipe\n"
        "  do this: give dataset.path=FILE"
    )


def test_a_file_that_cannot_be_opened_is_refused_with_the_cause(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)  # longer than the 255 bytes that common file systems allow
    with pytest.raises(DataError) as refused:
        Csv(path=str(path)).load()
    assert str(refused.value) == (
        f"{path} is refused\n  allowed: a file that can be read: File name too long\n  do this: check the file"
    )


@pytest.mark.parametrize(("path", "shown"), [("???", "???"), (None, "null")])
def test_without_a_path_one_is_told_to_give_it(path: Any, shown: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Csv(path=path)
    assert str(refused.value.under("dataset")) == (
        f"dataset.path={shown} is refused\n  allowed: the name of a CSV file\n  do this: give dataset.path=FILE"
    )


@pytest.mark.parametrize("path", ["", 5])
def test_a_path_is_a_text(path: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        Csv(path=path)
    assert (refused.value.refusal.key, refused.value.refusal.do) == ("path", "give path=FILE")


def test_the_path_has_no_default() -> None:
    with pytest.raises(ConfigError, match="give path=FILE"):
        Csv()


@pytest.mark.parametrize("delimiter", ["", "ab", "\\t", "x", "1", ".", "-", '"', "\n"])
def test_a_delimiter_is_one_character_that_is_no_part_of_a_number_or_a_word(delimiter: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Csv(path="data.csv", delimiter=delimiter)
    assert refused.value.refusal.key == "delimiter"
    assert refused.value.refusal.allowed == (
        "comma | semicolon | tab | space | bar, or one character that is no part of a number or a word"
    )


def test_a_path_is_taken_from_the_current_folder_and_recorded_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.csv").write_text(text("a,kind", "1,x", "2,y"))
    monkeypatch.chdir(tmp_path)
    made = Csv(path="data.csv")
    monkeypatch.chdir("/")
    assert made.path == str(tmp_path / "data.csv")
    assert dataclasses.replace(made) == made
    assert made.load().classes == ("x", "y")


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Csv(path="~/data.csv").path == str(tmp_path / "data.csv")


def test_inputs_are_all_columns_but_the_target_in_the_order_of_the_file(tmp_path: Path) -> None:
    table = read(tmp_path, text("a,kind,b", "1,x,-2.5", " 3e2 ,y,+.5"), target="kind")
    assert table.x.dtype == np.float64
    assert table.x.tolist() == [[1.0, -2.5], [300.0, 0.5]]
    assert table.columns == ("a", "b")
    assert table.y.dtype == np.int64
    assert table.y.tolist() == [0, 1]
    assert table.classes == ("x", "y")


@pytest.mark.parametrize(
    ("target", "columns"),
    [(None, ("a", "b")), (-1, ("a", "b")), (0, ("b", "c")), (-2, ("a", "c")), ("b", ("a", "c"))],
)
def test_the_target_is_a_name_or_a_number_from_either_end_or_the_last_column(
    tmp_path: Path, target: Any, columns: tuple[str, ...]
) -> None:
    assert read(tmp_path, text("a,b,c", "1,2,3", "4,5,6"), target=target).columns == columns


def test_targets_that_are_numbers_stay_as_they_are(tmp_path: Path) -> None:
    table = read(tmp_path, text("a,b", "1,0.1", "2,-3"), targets="numbers")
    assert table.classes is None
    assert table.y.dtype == np.float64
    assert table.y.tolist() == [0.1, -3.0]


def test_without_a_header_the_first_line_is_an_example_and_columns_have_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, text("1,x,5", "2,y,6"), header=False, target=1)
    assert table.x.tolist() == [[1, 5], [2, 6]]
    assert table.columns == ("0", "2")


def test_names_that_are_numbers_are_taken_where_the_target_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, text("2018,2019,kind", "1,2,x", "2,3,y"), target="kind").columns == ("2018", "2019")


@pytest.mark.parametrize(
    ("delimiter", "mark"),
    [
        ("comma", ","),
        ("semicolon", ";"),
        ("tab", "\t"),
        ("space", " "),
        ("bar", "|"),
        (";", ";"),
        ("\t", "\t"),
        (":", ":"),
    ],
)
def test_a_delimiter_is_given_as_itself_or_in_a_word(tmp_path: Path, delimiter: str, mark: str) -> None:
    table = read(tmp_path, text(f"a{mark}kind", f"1{mark}x", f"2{mark}y"), delimiter=delimiter)
    assert table.x.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa,kind\n1,x\n2,y\n",
        "a,kind\r\n1,x\r\n2,y\r\n",
        "a,kind\r1,x\r2,y\r",
        "a,kind\n1,x\n2,y",
        "a,kind\n1,x\n2,y\n\n  \n\n",
        '"a","kind"\n"1","x"\n"2","y"\n',
        '\ufeff"a",kind\n1,x\n2,y\n',
        " a , kind\n1,x\n2,y\n",
    ],
    ids=["byte-order mark", "CRLF", "CR", "no end", "blank end", "quoted", "mark and quotes", "spaces in names"],
)
def test_one_table_can_be_written_in_many_ways(tmp_path: Path, content: str) -> None:
    table = read(tmp_path, content)
    plain = read(tmp_path, text("a,kind", "1,x", "2,y"))
    assert (table.sha256, table.classes, table.columns) == (plain.sha256, plain.classes, plain.columns)


def test_classes_are_texts_as_they_are(tmp_path: Path) -> None:
    labels = ["NA", "007", "nan", "7", "Caf\u00e9", "a,b", 'say ""x""', "two\nlines", "two\r\nlines"]
    rows = [f'{i},"{label}"' for i, label in enumerate(labels * 3)]
    table = read(tmp_path, text("a,kind", *rows))
    assert set(table.classes) == {label.replace('""', '"') for label in labels}
    assert [table.classes[c] for c in table.y] == [label.replace('""', '"') for label in labels * 3]


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["10", "9", "007"], ("007", "10", "9")),
        (["10", "9", "1.5"], ("1.5", "10", "9")),
        (["b", "a", "C"], ("C", "a", "b")),
        ([" 10", " 9", " 11"], (" 9", " 10", " 11")),
    ],
)
def test_classes_are_numbered_numerically_where_all_are_plain_integers_else_alphabetically(
    tmp_path: Path, labels: list[str], order: tuple[str, ...]
) -> None:
    table = read(tmp_path, text("a,kind", *(f"{i},{label}" for i, label in enumerate(labels * 3))))
    assert table.classes == order
    assert [table.classes[c] for c in table.y] == labels * 3


@pytest.mark.parametrize("integer", ["9007199254740992", "9007199254740994", "-18014398509481984", "1" + "0" * 22])
def test_an_integer_beyond_2_to_53_is_taken_where_float64_holds_it(tmp_path: Path, integer: str) -> None:
    table = read(tmp_path, cell(integer))
    assert int(table.x[1, 0]) == int(integer)


def test_two_classes_may_be_as_few_as_the_rows_of_a_truth_table(tmp_path: Path) -> None:
    table = read(tmp_path, text("a,b,xor", "0,0,0", "0,1,1", "1,0,1", "1,1,0"))
    assert table.y.tolist() == [0, 1, 1, 0]


def test_a_class_of_one_row_is_allowed_and_that_row_is_for_training(tmp_path: Path) -> None:
    rows = [f"{i},{'xy'[i % 2]}" for i in range(20)]
    made = Csv(path=str(tmp_path / "data.csv"))
    table = read(tmp_path, text("a,kind", *rows, "20,rare"))
    assert 20 in made.split(table).train


@settings(derandomize=True, database=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_a_float_comes_back_bit_for_bit(values: list[float]) -> None:
    rows = [f"{value!r},{i % 2}" for i, value in enumerate(values)]
    table = Csv(path="data.csv").parse(["a,kind", *rows])
    assert table.x[:, 0].tobytes() == np.array(values).tobytes()


def test_the_file_of_a_known_table_gives_that_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 3)), rng.integers(0, 3, 50)
    with open(tmp_path / "data.csv", "w", newline="") as file:
        writer = stdlib.writer(file)
        writer.writerow(["a", "b", "c", "kind"])
        writer.writerows([*row, k] for row, k in zip(x.tolist(), y, strict=True))
    table = Csv(path=str(tmp_path / "data.csv")).load()
    assert np.array_equal(table.x, x)
    assert np.array_equal(table.y, y)


def test_the_module_called_csv_is_still_the_one_of_the_standard_library() -> None:
    assert vars(sys.modules[Csv.__module__])["csv"] is stdlib
