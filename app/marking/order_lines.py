"""Lines of an order with what the catalogue knows of them, and the rules of their document."""

from collections.abc import Sequence
from datetime import date

from app.domain.marking.bodies import BodyLine
from app.domain.marking.dictionaries import SerialNumberType
from app.domain.marking.document_rules import document_problems
from app.domain.marking.draft import DraftLine, Problem
from app.marking.database import Transaction
from app.marking.errors import ValidationError
from app.marking.store import OrderRow

_TODAY = "select (clock_timestamp() at time zone interval '3 hours')::date"


async def lines_of(tx: Transaction, order_id: str) -> tuple[BodyLine, ...]:
    """A card read later than the order fills in the customs code and whether goods may turn."""
    rows = await tx.rows(
        """select l.gtin, l.quantity, l.serial_number_type, l.serial_numbers,
                  case when l.tnved !~ '^[0-9]{10}$' then coalesce(c.tnved, l.tnved)
                       else coalesce(l.tnved, c.tnved) end as tnved,
                  coalesce((c.flags->>'turn')::boolean, (l.card->'flags'->>'turn')::boolean, true)
                      as may_turn
           from marking.order_lines l join marking.orders o on o.id = l.order_id
                left join marking.nk_cards c
                    on c.participant_id = o.participant_id and c.gtin = l.gtin
           where l.order_id = %(id)s order by l.position""",
        id=order_id,
    )
    return tuple(
        BodyLine(
            DraftLine(
                row["gtin"],
                row["quantity"],
                SerialNumberType(row["serial_number_type"]),
                tuple(row["serial_numbers"] or ()),
            ),
            row["tnved"],
            row["may_turn"],
        )
        for row in rows
    )


async def wrong_in_document(
    tx: Transaction, row: OrderRow, lines: Sequence[BodyLine]
) -> tuple[Problem, ...]:
    """What the rules say today, by the day in Moscow."""
    today: date = await tx.value(_TODAY)
    return document_problems(lines, row.attributes, today=today)


async def require_documentable(tx: Transaction, row: OrderRow) -> None:
    """Raises ValidationError, field by field."""
    wrong = await wrong_in_document(tx, row, await lines_of(tx, row.id))
    if wrong:
        raise ValidationError(wrong[0].text, errors=wrong, order_id=row.id)
