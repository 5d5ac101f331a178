"""The journal of requests: what came, what was answered, what was committed."""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_ENTRIES = 20_000
KEPT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Payload:
    """The beginning of a body with the length and digest of the whole."""

    kept: bytes
    length: int
    sha256: str


def payload(body: bytes) -> Payload:
    return Payload(body[:KEPT_BYTES], len(body), hashlib.sha256(body).hexdigest())


@dataclass
class Entry:
    number: int
    at_ms: int
    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Payload
    status: int | None = None
    committed: bool = False
    dropped: bool = False
    answered_at_ms: int | None = None
    answer: Payload | None = None
    faults: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "request": self.number,
            "at_ms": self.at_ms,
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "headers": dict(self.headers),
            "body": self.body.kept.decode(errors="replace"),
            "body_bytes": self.body.length,
            "body_sha256": self.body.sha256,
            "status": self.status,
            "committed": self.committed,
            "dropped": self.dropped,
            "answered_at_ms": self.answered_at_ms,
            "answer": self.answer.kept.decode(errors="replace") if self.answer else None,
            "answer_sha256": self.answer.sha256 if self.answer else None,
            "faults": self.faults,
        }


@dataclass
class Journal:
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=MAX_ENTRIES))
    last_number: int = 0

    def next_number(self) -> int:
        self.last_number += 1
        return self.last_number

    def select(self, operation: str | None, after: int, limit: int) -> list[Entry]:
        fitting = (
            e
            for e in self.entries
            if e.number > after and (operation is None or e.operation == operation)
        )
        return [entry for _, entry in zip(range(limit), fitting, strict=False)]
