"""«Заказать отклонённые заново»: what an order did not get and never will, as new lines."""

from typing import Any

from app.domain.marking.dictionaries import SerialNumberType
from app.domain.marking.draft import DraftLine
from app.domain.marking.station import BufferStatus
from app.marking.database import Database
from app.marking.errors import OrderStateError, OrderValidationError
from app.marking.order_pages import UNFINISHED_LINES


async def lines_to_reorder(database: Database, order: dict[str, Any]) -> tuple[DraftLine, ...]:
    """Raises OrderStateError without such lines, OrderValidationError if a serial is used up."""
    short = [
        line for line in order["lines"] if line["buffer"] in UNFINISHED_LINES and line["missing"]
    ]
    if not short:
        raise OrderStateError("Нет строк, которые можно заказать заново.", order_id=order["id"])
    return tuple([await _again(database, order["id"], line) for line in short])


async def _again(database: Database, order_id: str, line: dict[str, Any]) -> DraftLine:
    """Own serials go along with a line refused whole; others the station may have used."""
    gtin, own = line["gtin"], SerialNumberType.SELF_MADE
    if line["serial_number_type"] != own:
        return DraftLine(gtin, line["missing"])
    if line["buffer"] != BufferStatus.REJECTED or line["stored"]:
        text = f"{gtin}: номера уже переданы в СУЗ, закажите коды с новыми серийными номерами."
        raise OrderValidationError(text, order_id=order_id)
    row = await database.one(
        """select serial_numbers from marking.order_lines
           where order_id = %(id)s and gtin = %(gtin)s""",
        id=order_id,
        gtin=gtin,
    )
    assert row is not None, "lines of a placed order stay"
    return DraftLine(gtin, line["missing"], own, tuple(row["serial_numbers"]))
