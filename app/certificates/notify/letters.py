"""From a stored message to what the gateway gets: the only place where a contact is opened."""

from zoneinfo import ZoneInfo

import msgspec

from app.certificates.notify.contacts import open_contact
from app.certificates.notify.store import Due
from app.certificates.notify.texts import ACTIVATED, TEMPLATES, subject, text
from app.certificates.sealing import CannotOpen, Sealer, contact_place
from app.integrations.sms import Message


class Unsendable(Exception):
    """No later attempt can send it; the text is the name of the cause."""


class Writer:
    def __init__(self, contacts: Sealer, zone: ZoneInfo) -> None:
        self._contacts = contacts
        self._zone = zone

    def write(self, due: Due) -> Message:
        """Raises Unsendable."""
        if due.facts.template not in TEMPLATES:
            raise Unsendable("TemplateUnknown")
        if due.sealed is None:
            raise Unsendable("ContactErased")
        try:
            contact = open_contact(self._contacts, due.sealed, _place(due))
        except CannotOpen:
            raise Unsendable("ContactUnreadable") from None
        facts = msgspec.structs.replace(due.facts, code=contact.code)
        said = text(facts, contact.lang, self._zone)
        if contact.phone is not None:
            return Message(due.id, "SMS", contact.phone, said)
        if contact.email is None:
            raise Unsendable("ContactMissing")
        title = subject(facts.template, contact.lang)
        return Message(due.id, "EMAIL", contact.email, said, title)


def _place(due: Due) -> str:
    """Where the box belongs: an order line's stands there, a refund's with its certificate."""
    if due.facts.template == ACTIVATED:
        return contact_place(due.order_id or "", due.order_line_id or "")
    return due.certificate_id
