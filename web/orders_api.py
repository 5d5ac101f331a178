"""From requests about sale orders to commands.

NOTE: the functions' names scope the stored `Idempotency-Key`: renaming one forgets its keys.
"""

from app.certificates.sealing import contact_place
from app.domain.certificates.commands import ReadOrder, ResendNotification, SupplyContact
from web import certificates_models as bodies
from web.problems import invalid
from web.routing import Asked, Target

ID_MAX = 64


def read_order(asked: Asked) -> Target:
    return Target(_named(asked, "orderId"), ReadOrder(asked.instance))


def resend_notification(asked: Asked) -> Target:
    command = ResendNotification(_named(asked, "orderLineId"), asked.who)
    return Target(_named(asked, "orderId"), command)


def supply_contact(asked: Asked) -> Target:
    body: bodies.SupplyContact = asked.body
    order, line = _named(asked, "orderId"), _named(asked, "orderLineId")
    sealed = None
    if body.contact is not None:
        members = body.contact.model_dump(by_alias=True, exclude_none=True)
        sealed = asked.edge.seal_contact(members, contact_place(order, line))
    return Target(order, SupplyContact(line, sealed, body.reason, asked.who))


def _named(asked: Asked, name: str) -> str:
    value = asked.path[name]
    if not 0 < len(value) <= ID_MAX or not value.isprintable():
        raise invalid(f"/path/{name}", f"1 to {ID_MAX} printable characters")
    return value
