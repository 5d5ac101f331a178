"""The tables of certificates.md §3.2 and §4.3 as Markdown, made from the law itself."""

from app.domain.certificates.hold_rules import HOLD_RULES, HoldCell, Standing
from app.domain.certificates.problems import problem
from app.domain.certificates.state import Lifecycle
from app.domain.certificates.transitions import TRANSITIONS, Cell

_REPEATED = "←"


def lifecycle_table() -> str:
    """What each command does in each lifecycle; `←`: as in the cell to the left."""
    rows = [
        (f"`{command}`", [_cell(row[lifecycle]) for lifecycle in Lifecycle])
        for command, row in TRANSITIONS.items()
    ]
    return _table(["Command", *(one.value for one in Lifecycle)], rows)


def hold_table() -> str:
    """What may be asked of a hold in each of its states."""
    rows = [
        (ask.value, [_hold_cell(row[standing]) for standing in Standing])
        for ask, row in HOLD_RULES.items()
    ]
    return _table(["Ask", *(one.value for one in Standing)], rows)


def _cell(cell: Cell) -> str:
    if cell.refusal is not None:
        return cell.refusal
    parts = []
    if cell.to:
        parts.append("→ " + " or ".join(one.value for one in cell.to))
    if cell.events:
        parts.append("".join(f"[{event}]" for event in cell.events))
    if cell.note:
        parts.append(f"({cell.note})" if parts else cell.note)
    return " ".join(parts) or "-"


def _hold_cell(cell: HoldCell) -> str:
    told = f" ({cell.note})" if cell.note else ""
    if cell.refusal is not None:
        return f"{problem(cell.refusal).status} {cell.refusal}{told}"
    then = f" → {cell.then.value}" if cell.then else ""
    return f"200{then}{told}"


def _table(head: list[str], rows: list[tuple[str, list[str]]]) -> str:
    lines = [_line(head), _line(["---"] * len(head))]
    for name, cells in rows:
        shown = [_REPEATED if i and cell == cells[i - 1] else cell for i, cell in enumerate(cells)]
        lines.append(_line([name, *shown]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
