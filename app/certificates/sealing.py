"""Sealed boxes for what must not stand in clear, and MACs that compare it all the same.

AES-256-GCM, 96-bit random nonce, associated data = where the box belongs. A key of other
than 32 bytes is used through its SHA-256; the key id is public.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.certificates.commands import Sealed

NONCE_BYTES = 12
KEY_BYTES = 32
MAC_BYTES = 16
DEAD_LETTER_PLACE = "dead-letter"
_ordered = msgspec.json.Encoder(order="deterministic").encode


class CannotOpen(Exception):
    """The key is destroyed or another one, or the box was moved or changed."""


class Sealer:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        assert keys
        self._ciphers = {key_id(key): AESGCM(_aes_key(key)) for key in keys}
        self._kid, self._cipher = next(iter(self._ciphers.items()))

    def seal(self, plaintext: bytes, place: str) -> Sealed:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Sealed(self._kid, nonce, self._cipher.encrypt(nonce, plaintext, place.encode()))

    def seal_members(self, members: Mapping[str, Any], place: str) -> Sealed:
        """Members that are None are left out."""
        return self.seal(canonical(members), place)

    def open(self, sealed: Sealed, place: str) -> bytes:
        cipher = self._ciphers.get(sealed.kid)
        if cipher is None:
            raise CannotOpen(f"no key {sealed.kid}")
        try:
            return cipher.decrypt(sealed.nonce, sealed.box, place.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen(f"the box does not fit key {sealed.kid} and its place") from None


def contact_place(order_id: str, order_line_id: str) -> str:
    return order_id + order_line_id


class DeadLetterSealer:
    """Values of dead letters: nonce and box in one, the key id goes into a header."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = Sealer(keys)

    def seal(self, value: bytes) -> tuple[str, bytes]:
        sealed = self._sealer.seal(value, DEAD_LETTER_PLACE)
        return sealed.kid, sealed.nonce + sealed.box

    def open(self, kid: str, value: bytes) -> bytes:
        sealed = Sealed(kid, value[:NONCE_BYTES], value[NONCE_BYTES:])
        return self._sealer.open(sealed, DEAD_LETTER_PLACE)


class ContentMacs:
    """MACs of plaintext, so that a fresh nonce is no other content; the key never rotates."""

    def __init__(self, pepper: bytes) -> None:
        self._secret = hmac.digest(pepper, b"content", "sha256")

    def of_bytes(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, digest_size=MAC_BYTES, key=self._secret).digest()


def canonical(members: Mapping[str, Any]) -> bytes:
    """The same members in any order give the same bytes."""
    return _ordered({name: value for name, value in members.items() if value is not None})


def key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def _aes_key(key: bytes) -> bytes:
    return key if len(key) == KEY_BYTES else hashlib.sha256(key).digest()
