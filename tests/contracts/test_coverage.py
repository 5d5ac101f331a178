"""The pages that say which test proves which line are true and up to date."""

from pathlib import Path

import msgspec
import pytest

from deploy.coverage.lines import CERTIFICATES, MARKING, Line, Process, Table, faults, read_table
from deploy.coverage.page import BOOKS, Book, page

TRUE = Line(
    "box",
    "the table",
    "is read",
    ["deploy/coverage/lines.py::read_table", "deploy/coverage/certificates.toml::[[process]]"],
    ["contracts/test_coverage.py::test_the_page_is_that_of_the_table"],
)


each_book = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.source.stem)


@each_book
def test_the_page_is_that_of_the_table(book: Book) -> None:
    assert book.page.read_text() == book.text(), "run python -m deploy.coverage"


@each_book
def test_all_code_and_all_tests_of_the_table_are_there(book: Book) -> None:
    assert faults(read_table(book.source)) == []


@each_book
def test_a_name_stands_once_in_its_process(book: Book) -> None:
    for process in read_table(book.source).process:
        names = [(line.kind, line.name) for line in process.line]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"built": []}, "is built nowhere"),
        ({"built": ["deploy/coverage/none.py"]}, "deploy/coverage/none.py is not there"),
        ({"built": ["deploy/coverage/lines.py::none"]}, "lines.py::none is not there"),
        ({"built": ["deploy/coverage/certificates.toml::noº"]}, "noº is not there"),
        ({"tests": ["contracts/test_coverage.py::test_none"]}, "test_none is no test"),
        ({"tests": ["contracts/test_coverage.py"]}, "is no test"),
        ({"tests": ["contracts/test_coverage.py::TRUE"]}, "TRUE is no test"),
        ({"tests": []}, "has either tests or the reason"),
        ({"open": "too dear"}, "has either tests or the reason"),
        ({"tests": [], "open": "too dear"}, None),
    ],
)
def test_what_is_not_so_is_found(change: dict[str, object], fault: str | None) -> None:
    line = msgspec.structs.replace(TRUE, **change)
    found = faults(Table([Process("one", [line])]))
    assert [one for one in found if fault is None or fault not in one] == []
    assert bool(found) == (fault is not None)


def test_a_line_without_a_test_says_so_on_the_page() -> None:
    line = msgspec.structs.replace(TRUE, tests=[], open="too dear")
    text = page(Table([Process("one", [TRUE, line])]), BOOKS[0])
    assert "**no test**: too dear" in text
    assert "2 lines: 2 × box. 1 proved by a test, 1 not." in text


@pytest.mark.parametrize(("source", "count"), [(CERTIFICATES, 43), (MARKING, 50)])
def test_all_scenarios_of_the_acceptance_are_lines(source: Path, count: int) -> None:
    lines = [line for line in read_table(source).lines if line.kind == "scenario"]
    assert [int(line.name.partition(".")[0]) for line in lines] == list(range(1, count + 1))
    assert not any(line.open for line in lines)
