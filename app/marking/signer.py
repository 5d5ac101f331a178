"""What the flow needs of a signer; the kinds themselves live in `signing`."""

from typing import Protocol

from app.marking.participants import Participant


class SignatureAwaited(Exception):
    """A person has to sign; the request stays open."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"sign request {request_id} waits for a person")
        self.request_id = request_id


class SignerBroken(Exception):
    """An automatic signer failed or is set up wrongly; the text names no secret."""


class Signer(Protocol):
    """`sign` returns CMS in DER, attached or detached as asked."""

    automatic: bool

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes: ...


class Signers(Protocol):
    """Finds the signer of a participant."""

    def of(self, participant: Participant) -> Signer: ...
