"""The page of the coverage, as Markdown."""

from collections import Counter
from pathlib import Path

from app.domain.certificates.outcome_tables import hold_table, lifecycle_table
from deploy.coverage.lines import CHECKOUT, Line, Table

PAGE = CHECKOUT / "deploy" / "notes" / "coverage-certificates.md"
ROOT = "../.."
HEAD = """# Coverage of the flowcharts: gift certificates

Made by `python -m deploy.coverage` from `deploy/coverage/certificates.toml`; a test holds it
against the code. Each line is a box, message, field, status, error or step that the customer's
flowcharts name. {count} lines: {kinds}. {proved} proved by a test, {open} not.
"""
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


def page(table: Table) -> str:
    parts = [_head(table)]
    for process in table.process:
        rows = "".join(_row(line) for line in process.line)
        parts.append(f"\n## {process.name}\n\n| Named there | Kind | What we decided | Built in |")
        parts.append(f" Proved by |\n| --- | --- | --- | --- | --- |\n{rows}")
    tests = f"{ROOT}/tests"
    lifecycles = f"{tests}/domain/certificates/test_certificate_lifecycle.py"
    parts.append(LIFECYCLES.format(lifecycle_test=lifecycles) + lifecycle_table())
    holds = f"{tests}/flows/certificates/test_s24_holds.py"
    parts.append(HOLDS.format(hold_test=holds) + hold_table())
    return "".join(parts)


def _head(table: Table) -> str:
    kinds = Counter(line.kind for line in table.lines)
    proved = sum(bool(line.tests) for line in table.lines)
    return HEAD.format(
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
