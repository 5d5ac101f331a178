"""Secrets at rest: tokens, payloads and full codes, sealed to the row they belong to."""

import hashlib
import hmac
import os
import zlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_LENGTH = 12
KEY_ID_LENGTH = 4
CHECK_TEXT = b"giftmark marking key check"


class SealBroken(ValueError):
    """A sealed value does not open: another key, another row, or changed bytes."""


class Sealer:
    """AES-256-GCM. The first key seals, all of them open; a value names its key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("marking_secret_keys: at least one key is needed")
        derived = [hashlib.sha256(b"marking seal" + key).digest() for key in keys]
        self._first = _key_id(derived[0])
        self._keys = {_key_id(key): AESGCM(key) for key in derived}
        self._check = hmac.new(derived[0], CHECK_TEXT, hashlib.sha256).hexdigest()
        self._checks = {hmac.new(k, CHECK_TEXT, hashlib.sha256).hexdigest() for k in derived}

    @property
    def check_value(self) -> str:
        """Proves the first key without telling it."""
        return self._check

    @property
    def first_key_id(self) -> bytes:
        return self._first

    def knows(self, check_value: str) -> bool:
        return check_value in self._checks

    def seal(self, plaintext: bytes, *, place: str) -> bytes:
        """`place` names table and row: a value moved to another row does not open."""
        nonce = os.urandom(NONCE_LENGTH)
        sealed = self._keys[self._first].encrypt(nonce, plaintext, place.encode())
        return self._first + nonce + sealed

    def open(self, sealed: bytes, *, place: str) -> bytes:
        key = self._keys.get(sealed[:KEY_ID_LENGTH])
        if key is None:
            raise SealBroken(f"{place}: sealed with a key that is not in marking_secret_keys")
        body = sealed[KEY_ID_LENGTH:]
        try:
            return key.decrypt(body[:NONCE_LENGTH], body[NONCE_LENGTH:], place.encode())
        except InvalidTag:
            raise SealBroken(f"{place}: sealed for another row or damaged") from None

    def seal_packed(self, plaintext: bytes, *, place: str) -> bytes:
        return self.seal(zlib.compress(plaintext), place=place)

    def open_packed(self, sealed: bytes, *, place: str) -> bytes:
        return zlib.decompress(self.open(sealed, place=place))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"marking key id" + key).digest()[:KEY_ID_LENGTH]


def block_place(block_id: str) -> str:
    return f"code_blocks:{block_id}"


def token_place(participant_id: str, kind: str) -> str:
    return f"tokens:{participant_id}:{kind}"


def request_place(request_id: str) -> str:
    return f"sign_requests:{request_id}"


def report_place(report_id: str) -> str:
    return f"suz_reports:{report_id}"


def apikey_place(participant_id: str) -> str:
    return f"participants:{participant_id}"


def issue_place(issue_id: str) -> str:
    return f"issues:{issue_id}"


def call_place(call_id: str) -> str:
    return f"calls:{call_id}"
