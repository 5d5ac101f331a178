"""Tokens of one participant: issued, superseded, expired."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Kind = Literal["true_api", "suz"]


@dataclass
class Token:
    value: str
    kind: Kind
    holder: str
    issued_ms: int
    expires_ms: int
    ended_ms: int | None = None
    ended_why: str | None = None

    def live(self, now_ms: int) -> bool:
        return self.ended_ms is None and now_ms < self.expires_ms

    def end(self, now_ms: int, why: str) -> None:
        if self.ended_ms is None:
            self.ended_ms, self.ended_why = now_ms, why

    def shown(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "value": self.value,
            "holder": self.holder,
            "issued_ms": self.issued_ms,
            "expires_ms": self.expires_ms,
            "ended_ms": self.ended_ms,
            "ended_why": self.ended_why,
        }


@dataclass
class TokenBook:
    tokens: dict[str, Token] = field(default_factory=dict)

    def add(self, token: Token) -> Token:
        """Keeps the token; a new clientToken kills the former one of its connection at once."""
        if token.kind == "suz":
            for former in self.live("suz", token.issued_ms):
                former.end(token.issued_ms, "superseded")
        self.tokens[token.value] = token
        return token

    def live(self, kind: Kind, now_ms: int) -> list[Token]:
        return [t for t in self.tokens.values() if t.kind == kind and t.live(now_ms)]


def json_web_token(claims: dict[str, Any], secret: str) -> str:
    """Three base64url parts signed by HS256."""
    head = _part(msgspec.json.encode({"alg": "HS256", "typ": "JWT"}))
    body = _part(msgspec.json.encode(claims))
    mark = hmac.digest(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_part(mark)}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
