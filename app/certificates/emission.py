"""What one journal record turns into: records for other topics, in order, with fixed ids."""

from typing import Any, NamedTuple

import msgspec

from app.contracts.messages import SCHEMA, SOURCE, Envelope
from app.domain.certificates.times import rfc3339

Headers = list[tuple[str, bytes]]
STATE_PLACE = 0
_encode = msgspec.json.Encoder().encode


class Output(NamedTuple):
    """`partition` None: that of the journal record; for commands, murmur2 of the key."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    partition: int | None = None


class Emission:
    """Collects the outputs of one record; event 0 is the state's place, others count from 1."""

    __slots__ = ("entity", "headers", "key", "n", "notes", "outputs", "sequence")

    def __init__(self, entity: str, sequence: int, traceparent: str | None) -> None:
        self.entity = entity
        self.key = entity.encode()
        self.sequence = sequence
        self.headers: Headers = (
            [] if traceparent is None else [("traceparent", traceparent.encode())]
        )
        self.outputs: list[Output] = []
        self.notes: list[str] = []  # what operators have to see or figures count
        self.n = STATE_PLACE

    def state(self, topic: str, at: int, data: msgspec.Struct) -> None:
        self._append(topic, STATE_PLACE, at=at, data=data)

    def event(self, topic: str, at: int, data: msgspec.Struct) -> str:
        """Returns the event's id."""
        self.n += 1
        return self._append(topic, self.n, at=at, data=data)

    def _append(self, topic: str, n: int, *, at: int, data: Any) -> str:
        name = f"{self.entity}:{self.sequence}:{n}"
        occurred_at = rfc3339(at)
        message = Envelope(name, topic, SCHEMA, occurred_at, self.sequence, n, SOURCE, data)
        self.outputs.append(Output(topic, self.key, _encode(message), self.headers))
        return name
