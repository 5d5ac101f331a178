"""The kinds of entities that the ledger keeps, as its engine wants to know them."""

from operator import attrgetter

from app.domain.certificates import certificate, order
from app.domain.certificates.commands import CERTIFICATE_COMMANDS, ORDER_COMMANDS, Due
from app.domain.certificates.events import CertificateEvent, OrderEvent
from app.domain.certificates.kept_holds import upgraded
from app.domain.certificates.order_state import Order
from app.domain.certificates.state import Certificate, Results
from app.domain.decision import Entity, kind_of_pages

CERTIFICATE = Entity(
    name="certificate",
    prefix=b"c",
    state=Certificate,
    event=CertificateEvent,
    commands={**CERTIFICATE_COMMANDS},
    decide=certificate.decide,
    next_due=certificate.next_due,
    due=Due(),
    last4=attrgetter("last4"),
    upgraded=upgraded,
    pages=kind_of_pages("results", b"r", Results),
)
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
ENTITIES: tuple[Entity, ...] = (CERTIFICATE, ORDER)
