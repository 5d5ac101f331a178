"""Opens what a message needs to know of a person: in memory, while it is sent, nowhere else."""

import msgspec

from app.certificates.sealing import CannotOpen, Sealer
from app.domain.certificates.commands import Sealed


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a contact box holds; without a code the text says the last four symbols only."""

    code: str | None = None
    phone: str | None = None
    email: str | None = None
    lang: str | None = None

    def __repr__(self) -> str:
        return "Contact(…)"


def open_contact(sealer: Sealer, sealed: Sealed, place: str) -> Contact:
    """Raises CannotOpen."""
    try:
        return msgspec.json.decode(sealer.open(sealed, place), type=Contact)
    except msgspec.DecodeError:
        raise CannotOpen("what the box holds is no contact") from None
