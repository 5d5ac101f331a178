"""Deterministic identifiers, serials and codes made from a seed and counters."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
ALPHABET = DIGITS + LETTERS + LETTERS.lower() + "!\"%&'()*+,-./_:;=<>?"
GROUP_SEPARATOR = "\x1d"
KI_LENGTH = 31
SERIAL_LENGTH = 12

_CODE_SYMBOLS = bytes(ord(ALPHABET[n % len(ALPHABET)]) for n in range(256))
_LETTER_SYMBOLS = bytes(ord(LETTERS[n % len(LETTERS)]) for n in range(256))


def check_digit(digits: str) -> str:
    total = sum(int(d) * (3 if n % 2 == 0 else 1) for n, d in enumerate(reversed(digits)))
    return str((10 - total % 10) % 10)


def is_gtin(text: str) -> bool:
    return (
        len(text) == 14 and text.isascii() and text.isdigit() and check_digit(text[:13]) == text[13]
    )


@dataclass
class Identifiers:
    seed: str
    counters: Counter[str] = field(default_factory=Counter)

    def number(self, kind: str) -> int:
        self.counters[kind] += 1
        return self.counters[kind]

    def uuid(self, kind: str) -> str:
        return str(self.uuid_of(kind, self.number(kind)))

    def uuid_of(self, kind: str, number: int) -> UUID:
        digest = hashlib.blake2b(f"{self.seed}/{kind}/{number}".encode(), digest_size=16).digest()
        return UUID(bytes=digest, version=4)

    def letters(self, kind: str, length: int) -> str:
        text = f"{self.seed}/{kind}/{self.number(kind)}".encode()
        digest = hashlib.blake2b(text, digest_size=64).digest()
        return digest.translate(_LETTER_SYMBOLS)[:length].decode()

    def full_code(self, gtin: str, place: str, serial: str | None) -> str:
        """85 symbols: GTIN, serial, key and check code, GS between (lp, template 10)."""
        text = f"{self.seed}/code/{place}".encode()
        symbols = hashlib.blake2b(text, digest_size=64).digest().translate(_CODE_SYMBOLS).decode()
        serial = serial or symbols[:SERIAL_LENGTH]
        key, check = symbols[12:16], symbols[16:60]
        return f"01{gtin}215{serial}{GROUP_SEPARATOR}91{key}{GROUP_SEPARATOR}92{check}"
