"""What commands of certificates and orders share.

NOTE: field order is wire format; add at the end, with a default, never change.
"""

import msgspec


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all commands; the key (certificateId or orderId) travels beside it."""


class Call(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asks by HTTP and under which key; hashes are HMACs, `instance` the request id."""

    client: str
    channel: str
    operation: str
    key_hash: bytes
    body_hash: bytes
    instance: str
    actor: str | None = None
    store_id: str | None = None
    terminal_id: str | None = None
    stores: tuple[str, ...] | None = None  # whose foreign holds the client may see; None: all


class Sealed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """AES-GCM box: key id, nonce, ciphertext with tag; opened only where the key is."""

    kid: str
    nonce: bytes
    box: bytes


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a foreign message lay: for dead letters and audit."""

    topic: str
    partition: int
    offset: int
