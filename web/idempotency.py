"""`Idempotency-Key`: its two spellings, and the MACs the ledger keeps instead of key and body."""

import hmac
import re

from pydantic import BaseModel

from web.problems import Problem, invalid

_PLAIN = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')
_MAC_BYTES = 16


def parsed_key(header: str | None) -> str:
    """The key itself: `"a"` and `a` are the same key."""
    if header is None:
        raise Problem("IdempotencyKeyMissing")
    quoted = _QUOTED.fullmatch(header)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else header
    if not _PLAIN.fullmatch(key):
        raise invalid("/headers/Idempotency-Key", "1 to 255 printable ASCII characters")
    return key


class Hashes:
    """MACs with a key derived from the pepper: it never changes, like the ledger itself."""

    def __init__(self, pepper: bytes) -> None:
        self._secret = hmac.digest(pepper, b"idempotency", "sha256")

    def of_key(self, client: str, operation: str, key: str) -> bytes:
        return self._mac(f"key\0{client}\0{operation}\0{key}".encode())

    def of_body(self, part: str, body: BaseModel | None) -> bytes:
        """`part` names what the path names inside the entity.

        Fields that have their default count as absent, and so does the code: the entity
        already stands for it, however it was typed.
        """
        text = body.model_dump_json(exclude={"code"}, exclude_defaults=True) if body else ""
        return self._mac(f"body\0{part}\0{text}".encode())

    def of_content(self, content: bytes) -> bytes:
        """For bodies that are no single model; it names its entity itself."""
        return self._mac(b"content\0" + content)

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, text, "sha256")[:_MAC_BYTES]
