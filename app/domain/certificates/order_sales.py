"""What a sale message changes in an order: new lines, other codes, lines that are gone."""

from typing import Any

from app.domain.certificates.commands import ApplySalesOrder, SaleLine
from app.domain.certificates.events import LineChanged
from app.domain.certificates.order_state import SPENT, TIED, Line, LineStatus, Sale
from app.domain.certificates.order_turn import Turn

CURRENCY_MISMATCH = "CurrencyMismatch"
LINE_ACTIVATED = "LineActivated"


def apply_sales_order(turn: Turn, command: ApplySalesOrder) -> str | None:
    """The code of what was ignored, or None."""
    known = turn.order.sale
    if known is not None and command.version < known.version:
        return "StaleVersion"
    if known is not None and command.version == known.version:
        if turn.order.shrunk or command.body_hash == known.body_hash:
            return None
        reason = f"version {command.version} of this sale has come with other content"
        turn.dead_letter(command, "VersionConflict", reason)
        return "VersionConflict"
    _accept(turn, command)
    return None


def _accept(turn: Turn, command: ApplySalesOrder) -> None:
    turn.set(
        sale=Sale(
            command.version,
            command.occurred_at,
            command.body_hash,
            command.order_status,
            command.store_id,
            command.channel,
        ),
        sale_missed=False,
        currency=_currency(turn, command.lines),
    )
    told = {line.order_line_id for line in command.lines}
    for line_id, line in turn.lines():
        if line_id not in told:
            _drop(turn, line_id, line)
    for position, sold in enumerate(command.lines):
        _apply(turn, position, sold)


def _currency(turn: Turn, lines: tuple[SaleLine, ...]) -> str | None:
    """Money that has bought a certificate keeps the order in its currency."""
    order = turn.order
    if order.currency and any(line.status in SPENT for line in order.lines.values()):
        return order.currency
    return next((line.currency for line in lines if line.currency), order.currency)


def _apply(turn: Turn, position: int, sold: SaleLine) -> None:
    line = turn.order.lines.get(sold.order_line_id)
    fault = sold.fault
    if fault is None and sold.currency != turn.order.currency:
        fault = CURRENCY_MISMATCH
    if line is None:
        _begin(turn, position, sold, fault=fault)
    elif line.status in SPENT:
        _keep_activated(turn, position, sold, line=line, fault=fault)
    elif turn.order.cancelled:
        turn.edit(sold.order_line_id, **_described(position, sold))
        _withdraw(turn, sold.order_line_id)
    elif fault is not None:
        _refuse(turn, position, sold, line=line, fault=fault)
    elif (sold.certificate_id, sold.nominal, sold.currency) != (
        line.certificate_id,
        line.nominal,
        line.currency,
    ):
        _ask_for(turn, position, sold, line=line)
    else:
        _confirm(turn, position, sold, line=line)


def _begin(turn: Turn, position: int, sold: SaleLine, *, fault: str | None) -> None:
    if turn.order.cancelled:
        attempt, status, fault = 0, LineStatus.RELEASED, None
    elif fault is not None:
        attempt, status = 0, LineStatus.REFUSED
    else:
        attempt, status = 1, LineStatus.PENDING
    line = Line(
        **(_described(position, sold) | _instrument(sold)),
        attempt=attempt,
        status=status,
        since=turn.t,
        refusal=fault,
    )
    turn.add(sold.order_line_id, line)


def _keep_activated(
    turn: Turn, position: int, sold: SaleLine, *, line: Line, fault: str | None
) -> None:
    line_id = sold.order_line_id
    same = fault is None and sold.certificate_id == line.certificate_id
    if same and line.nominal in {sold.nominal, 0}:
        sealed = sold.sealed if line.sealed is not None else None
        turn.edit(
            line_id,
            position=position,
            price=sold.price,
            sealed=sealed or line.sealed,
            content=sold.content,
            refusal=None,
            dropped=False,
        )
        return
    turn.edit(line_id, position=position, refusal=LINE_ACTIVATED, dropped=False)
    if line.refusal != LINE_ACTIVATED:
        turn.events.append(LineChanged(turn.t, line_id, line.status.value, LINE_ACTIVATED))


def _refuse(turn: Turn, position: int, sold: SaleLine, *, line: Line, fault: str) -> None:
    """By the sale itself: what the earlier attempt still answers is no news of this line."""
    _let_go(turn, sold.order_line_id, line)
    fields = _described(position, sold) | _instrument(sold)
    attempt = line.attempt + 1 if line.attempt else 0
    turn.move(sold.order_line_id, LineStatus.REFUSED, refusal=fault, attempt=attempt, **fields)


def _ask_for(turn: Turn, position: int, sold: SaleLine, *, line: Line) -> None:
    """Another code, or the same one with another nominal: a new attempt."""
    if sold.certificate_id != line.certificate_id:
        _let_go(turn, sold.order_line_id, line)
    fields = _described(position, sold) | _instrument(sold)
    turn.move(sold.order_line_id, LineStatus.PENDING, attempt=line.attempt + 1, **fields)


def _confirm(turn: Turn, position: int, sold: SaleLine, *, line: Line) -> None:
    line_id, fields = sold.order_line_id, _described(position, sold)
    if line.status in TIED:
        turn.edit(line_id, **fields)
    elif line.status is LineStatus.PENDING:
        turn.edit(line_id, **fields)
        turn.ask_again(line_id)
    elif line.status is LineStatus.AWAITING_CONTACT:
        turn.move(line_id, LineStatus.ALLOCATED, **fields)
    else:
        turn.move(line_id, LineStatus.PENDING, attempt=line.attempt + 1, **fields)


def _drop(turn: Turn, line_id: str, line: Line) -> None:
    turn.edit(line_id, dropped=True)
    if line.status not in SPENT:
        _withdraw(turn, line_id)


def _withdraw(turn: Turn, line_id: str) -> None:
    line = turn.order.lines[line_id]
    if line.status in {LineStatus.RELEASED, LineStatus.RELEASING}:
        return
    asked = line.attempt > 0 and line.certificate_id is not None
    turn.move(line_id, LineStatus.RELEASING if asked else LineStatus.RELEASED)


def _let_go(turn: Turn, line_id: str, line: Line) -> None:
    """Of the old certificate; one that is not ours answers that there is nothing to do."""
    if line.status is LineStatus.RELEASED or line.attempt == 0:
        return
    if line.certificate_id is not None:
        turn.give_back(line_id, line.certificate_id, line.attempt)


def _instrument(sold: SaleLine) -> dict[str, Any]:
    return {
        "certificate_id": sold.certificate_id,
        "last4": sold.last4,
        "nominal": sold.nominal,
        "currency": sold.currency,
    }


def _described(position: int, sold: SaleLine) -> dict[str, Any]:
    return {
        "position": position,
        "price": sold.price,
        "delivery": sold.delivery,
        "sealed": sold.sealed,
        "content": sold.content,
        "dropped": False,
    }
