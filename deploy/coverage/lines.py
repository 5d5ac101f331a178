"""The table of lines, and what is wrong with it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

CHECKOUT = Path(__file__).resolve().parents[2]
CERTIFICATES, MARKING = (
    Path(__file__).with_name(f"{half}.toml") for half in ("certificates", "marking")
)
Kind = Literal[
    "box",
    "message",
    "field",
    "status",
    "error",
    "step",
    "function",
    "setting",
    "queue",
    "role",
    "crash",
    "scenario",
]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`open`: why no test proves it."""

    kind: Kind
    name: str
    decided: str
    built: list[str]
    tests: list[str] = []
    open: str = ""


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    line: list[Line]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    process: list[Process]

    @property
    def lines(self) -> list[Line]:
        return [line for process in self.process for line in process.line]


def read_table(source: Path) -> Table:
    return msgspec.toml.decode(source.read_bytes(), type=Table)


def faults(table: Table) -> list[str]:
    """What the table says that is not so."""
    return [f"{line.name}: {fault}" for line in table.lines for fault in _faults(line)]


def _faults(line: Line) -> Iterator[str]:
    if not line.built:
        yield "is built nowhere"
    for place in line.built:
        if not _is_there(place):
            yield f"{place} is not there"
    for test in line.tests:
        name = test.partition("::")[2]
        if not name.startswith("test_") or not _is_there(f"tests/{test}"):
            yield f"{test} is no test"
    if bool(line.tests) == bool(line.open):
        yield "has either tests or the reason why it has none"


def _is_there(place: str) -> bool:
    """A module defines the name at its top level; another file holds it as text."""
    path, _, name = place.partition("::")
    file = CHECKOUT / path
    if not file.is_file():
        return False
    if not name:
        return True
    return name in (_defined(file) if file.suffix == ".py" else file.read_text())


@cache
def _defined(module: Path) -> frozenset[str]:
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(module.read_text()).body
    return frozenset(node.name for node in body if isinstance(node, defined))
