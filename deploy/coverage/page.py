"""The page of the coverage, as Markdown."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.domain.certificates.outcome_tables import hold_table, lifecycle_table
from app.domain.marking.order import diagram
from deploy.coverage.lines import CERTIFICATES, CHECKOUT, MARKING, Line, Table, read_table

NOTES = CHECKOUT / "deploy" / "notes"
ROOT = "../.."
HEAD = """# {title}

Made by `python -m deploy.coverage` from `deploy/coverage/{source}`; a test holds it
against the code. {about} {count} lines: {kinds}. {proved} proved by a test, {open} not.
"""
FLOWCHARTS = """Each line is a box, message, field, status, error or step that the customer's
flowcharts name, or a numbered scenario of the acceptance."""
SPECIFICATION = """Each line is a step, function, name, setting, queue, role, error or status of
the specification, a crash point or a numbered scenario of the acceptance."""
LIFECYCLES = """
## What each command does in each lifecycle

Printed from `app/domain/certificates/transitions.py`. `=` replay, `·` nothing to do, `←` as in
the cell to the left, `-` cannot be. Each cell is a case of
[`test_a_command_does_what_the_table_says`]({lifecycle_test}).

"""
HOLDS = """
## What is asked of a hold in each state

Printed from `app/domain/certificates/hold_rules.py`. Each cell is a case of
[`test_every_ask_of_a_hold_has_its_answer`]({hold_test}), through HTTP.

"""


TRANSITIONS = """
## What follows what

Printed from `app/domain/marking/order.py`: who causes each move, and in which profile.

```mermaid
{diagram}
```
"""


class Book(msgspec.Struct, frozen=True):
    """A table, its page, and what is printed behind the lines."""

    source: Path
    title: str
    about: str
    appendix: Callable[[], str]

    @property
    def page(self) -> Path:
        return NOTES / f"coverage-{self.source.stem}.md"

    def text(self) -> str:
        return page(read_table(self.source), self) + self.appendix()


def page(table: Table, book: Book) -> str:
    parts = [_head(table, book)]
    for process in table.process:
        rows = "".join(_row(line) for line in process.line)
        parts.append(f"\n## {process.name}\n\n| Named there | Kind | What we decided | Built in |")
        parts.append(f" Proved by |\n| --- | --- | --- | --- | --- |\n{rows}")
    return "".join(parts)


def _rules_of_certificates() -> str:
    tests = f"{ROOT}/tests"
    lifecycles = f"{tests}/domain/certificates/test_certificate_lifecycle.py"
    holds = f"{tests}/flows/certificates/test_s24_holds.py"
    return (
        LIFECYCLES.format(lifecycle_test=lifecycles)
        + lifecycle_table()
        + HOLDS.format(hold_test=holds)
        + hold_table()
    )


def _transitions_of_orders() -> str:
    return TRANSITIONS.format(diagram=diagram())


BOOKS = (
    Book(
        CERTIFICATES,
        "Coverage of the flowcharts: gift certificates",
        FLOWCHARTS,
        _rules_of_certificates,
    ),
    Book(
        MARKING,
        "Coverage of the specification: ordering marking codes",
        SPECIFICATION,
        _transitions_of_orders,
    ),
)


def _head(table: Table, book: Book) -> str:
    kinds = Counter(line.kind for line in table.lines)
    proved = sum(bool(line.tests) for line in table.lines)
    return HEAD.format(
        title=book.title,
        about=book.about,
        source=book.source.name,
        count=len(table.lines),
        kinds=", ".join(f"{count} × {kind}" for kind, count in kinds.most_common()),
        proved=proved,
        open=len(table.lines) - proved,
    )


def _row(line: Line) -> str:
    built = "<br>".join(_link(place, short=False) for place in line.built)
    tests = "<br>".join(_link(f"tests/{test}", short=True) for test in line.tests)
    proved = tests or f"**no test**: {line.open}"
    return f"| {line.name} | {line.kind} | {line.decided} | {built} | {proved} |\n"


def _link(place: str, *, short: bool) -> str:
    path, _, name = place.partition("::")
    shown = name if short else f"{Path(path).name}{' ' + name if name else ''}"
    return f"[`{shown}`]({ROOT}/{path})"
