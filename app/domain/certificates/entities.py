"""The kinds of entities that the ledger keeps, as its engine wants to know them."""

from app.domain.certificates import order
from app.domain.certificates.commands import ORDER_COMMANDS, Due
from app.domain.certificates.events import OrderEvent
from app.domain.certificates.order_state import Order
from app.domain.decision import Entity

ORDER = Entity(
    name="order",
    prefix=b"o",
    state=Order,
    event=OrderEvent,
    commands={**ORDER_COMMANDS},
    decide=order.decide,
    next_due=order.next_due,
    due=Due(),
)
ENTITIES: tuple[Entity, ...] = (ORDER,)
