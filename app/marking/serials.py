"""Serials of our own: each stands for one code of one order, until the station refuses its line."""

from app.marking.database import Transaction
from app.marking.errors import OrderValidationError

TAKEN = "Серийные номера уже использованы в другом заказе."


async def reserve(tx: Transaction, order_id: str) -> None:
    """All serials of the order's lines. Raises OrderValidationError if another order has one."""
    await tx.execute(
        """insert into marking.serials (participant_id, gtin, serial, order_id)
           select o.participant_id, l.gtin, jsonb_array_elements_text(l.serial_numbers), o.id
           from marking.orders o join marking.order_lines l on l.order_id = o.id
           where o.id = %(id)s
           on conflict (participant_id, gtin, serial) do nothing""",
        id=order_id,
    )
    missing = await tx.value(
        """select coalesce(sum(jsonb_array_length(l.serial_numbers)), 0) - (
               select count(*) from marking.serials s where s.order_id = %(id)s)
           from marking.order_lines l where l.order_id = %(id)s""",
        id=order_id,
    )
    if missing:
        raise OrderValidationError(TAKEN)


async def give_back(tx: Transaction, order_id: str, *, gtin: str | None = None) -> None:
    """The station refused the line of `gtin`, or all: other orders may use their serials.

    Not while an attempt whose answer was lost may still have brought them to the station.
    """
    await tx.execute(
        """delete from marking.serials s where s.order_id = %(id)s
               and (%(gtin)s::text is null or s.gtin = %(gtin)s)
               and not exists (select 1 from marking.calls c where c.order_id = %(id)s
                   and c.operation = 'create_order' and c.doubted
                   and c.state not in ('ANSWERED', 'FOUND'))""",
        id=order_id,
        gtin=gtin,
    )
