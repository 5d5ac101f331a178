"""Cuts reads of a whole certificate down to what a route shows."""

import msgspec

from app.domain.decision import Reply
from web import masking
from web.routing import Asked

_LOOKUP = (
    "certificateId",
    "status",
    "last4",
    "currency",
    "nominal",
    "available",
    "held",
    "validUntil",
)


def looked_up(asked: Asked, reply: Reply) -> Reply:
    """Without the holds of other clients outside the caller's own stores."""
    reply = masking.seen(asked.client, reply)
    if reply.code is not None:
        return reply
    shown = {name: reply.fields[name] for name in _LOOKUP if name in reply.fields}
    stores = asked.visible_stores
    shown["holds"] = [
        hold
        for hold in reply.fields.get("holds", ())
        if stores is None or hold.get("client") == asked.client.id or hold.get("storeId") in stores
    ]
    return msgspec.structs.replace(reply, fields=shown)
