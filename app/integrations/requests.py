"""What goes out: an operation of the table, who calls, and the frozen bytes."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from msgspec import Struct

from app.integrations.errors import RetryClass, Upstream
from app.integrations.redaction import Secret, Veiled

PRINTABLE: Final = range(0x21, 0x7F)

# Called with the SHA-256 of the signed bytes just before they go out; it commits the claim,
# or raises, and then nothing is sent.
Claim = Callable[[str], Awaitable[None]]

# Which of the client's times is the deadline of the whole call.
Patience = Literal["read", "suz_write", "suz_list"]


class Operation(Struct, frozen=True):
    """One line of an upstream's table of operations."""

    upstream: Upstream
    name: str
    retry_class: RetryClass
    method: Literal["GET", "POST"]
    path: str
    patience: Patience = "read"
    largest_answer: int = 32 << 20


class Access(Veiled, Struct, frozen=True):
    """Who calls: the participant whose limits count, and the token that is sent."""

    participant_id: str
    headers: tuple[tuple[str, Secret], ...] = ()
    query: tuple[tuple[str, Secret], ...] = ()
    oms_id: str | None = None

    def secrets(self) -> tuple[str, ...]:
        """Every text that must not come back out of a foreign error."""
        sent = (*self.headers, *self.query)
        return tuple(secret.reveal().removeprefix("Bearer ") for _, secret in sent)


class Outgoing(Veiled, Struct, frozen=True):
    """One request: its bytes are sent as they are; `signed` is what the signature covers."""

    operation: Operation
    access: Access
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    path_parts: tuple[str, ...] = ()
    accept: str = "application/json"
    body: bytes | None = None
    signed: bytes | None = None
    claim: Claim | None = None

    def sent_query(self) -> tuple[tuple[str, str], ...]:
        station = (("omsId", self.access.oms_id),) if self.access.oms_id else ()
        keys = tuple((name, secret.reveal()) for name, secret in self.access.query)
        return (*station, *self.query, *keys)

    def sent_headers(self) -> list[tuple[str, str]]:
        tokens = [(name, secret.reveal()) for name, secret in self.access.headers]
        kind = [("Content-Type", "application/json")] if self.body is not None else []
        return [("Accept", self.accept), *kind, *self.headers, *tokens]

    def signed_sha256(self) -> str:
        covered = self.signed if self.signed is not None else self.body
        return hashlib.sha256(covered or b"").hexdigest()


def checked_token(name: str, value: str) -> str:
    """The token itself, once it is known to fit into one header line."""
    if not value or any(ord(sign) not in PRINTABLE for sign in value):
        raise ValueError(f"{name}: must be printable ASCII without blanks")
    return value


def anonymous(participant_id: str) -> Access:
    return Access(participant_id)


def by_bearer(participant_id: str, token: Secret) -> Access:
    """True API, and NK of a participant without an apikey."""
    value = Secret(f"Bearer {checked_token('token', token.reveal())}")
    return Access(participant_id, headers=(("Authorization", value),))


def by_apikey(participant_id: str, apikey: Secret) -> Access:
    """NK only; excludes a bearer token."""
    return Access(
        participant_id, query=(("apikey", Secret(checked_token("apikey", apikey.reveal()))),)
    )


def by_station(participant_id: str, oms_id: str, *, client_token: Secret) -> Access:
    """SUZ: the station in every query, its session token in every header."""
    token = Secret(checked_token("clientToken", client_token.reveal()))
    return Access(participant_id, headers=(("clientToken", token),), oms_id=oms_id)
