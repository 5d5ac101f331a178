"""A dead letter: its name, its cause, and where a replay of it goes."""

from typing import Any, NamedTuple

import msgspec

from app.contracts import dead_letters as wire
from app.contracts.topics import (
    BATCHES,
    COMMANDS,
    MARKING_DEAD_LETTERS,
    MARKING_NOTIFICATIONS,
    MARKING_STATUSES,
    NOTIFICATIONS,
    PAYMENTS,
    SALES,
    SUZ_ORDERS,
    dead_letters_of,
)
from app.domain.certificates.times import rfc3339

# Which topics the letters of a dead-letter topic come from.
SOURCES: dict[str, tuple[str, ...]] = {
    dead_letters_of(topic): (topic,)
    for topic in (SALES, PAYMENTS, BATCHES, COMMANDS, NOTIFICATIONS)
} | {MARKING_DEAD_LETTERS: (SUZ_ORDERS, MARKING_STATUSES, MARKING_NOTIFICATIONS)}


class WrongName(ValueError):
    """The text names no place of a dead letter."""


class Name(NamedTuple):
    """Where a letter lies, for ever: written `<topic>/<partition>/<offset>`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Name":
        """Raises WrongName."""
        topic, _, rest = text.partition("/")
        partition, _, offset = rest.partition("/")
        numbers = (partition, offset)
        if topic not in SOURCES or not all(n.isdecimal() and len(n) < 19 for n in numbers):
            raise WrongName("a letter is named <topic>.DLQ/<partition>/<offset>")
        return cls(topic, int(partition), int(offset))


class Letter(msgspec.Struct, frozen=True):
    """`value` as it lies there, sealed or not; empty in a listing, which tells its `size`."""

    name: Name
    key: bytes
    value: bytes
    headers: dict[str, str]
    size: int

    def __repr__(self) -> str:
        return f"Letter({self.name})"

    @property
    def source(self) -> str:
        """The topic that the fault was found in."""
        told, sources = self.headers.get(wire.TOPIC), SOURCES[self.name.topic]
        return told if told in sources else sources[0]

    @property
    def is_command(self) -> bool:
        """The value is a command of the ledger, whatever it came from."""
        return self.headers.get(wire.FORMAT) == wire.COMMAND_FORMAT

    @property
    def target(self) -> str:
        return COMMANDS if self.is_command else self.source

    @property
    def code(self) -> str:
        return self.headers.get(wire.CODE, "")

    @property
    def entity(self) -> str:
        return self.headers.get(wire.ENTITY) or self.key.decode(errors="replace")

    @property
    def sealed(self) -> str | None:
        return self.headers.get(wire.SEALED)

    def view(self) -> dict[str, Any]:
        """What may be shown to anybody who may see the list; nothing is opened for it."""
        told, at = self.headers.get, self.headers.get(wire.AT, "")
        members = {
            "letter": str(self.name),
            "topic": self.source,
            "replaysTo": self.target,
            "stage": told(wire.STAGE),
            "code": self.code,
            "reason": told(wire.REASON),
            "entity": self.entity,
            "last4": told(wire.LAST4),
            "row": told(wire.ROW),
            "at": rfc3339(int(at)) if at.isdecimal() else None,
            "offset": told(wire.OFFSET),
            "bytes": self.size,
        }
        return {name: value for name, value in members.items() if value is not None}


class Wanted(msgspec.Struct, frozen=True):
    """Which letters are meant: None leaves it open."""

    topic: str | None = None
    code: str | None = None
    entity: str | None = None

    def meets(self, letter: Letter) -> bool:
        return (
            self.topic in {None, letter.source, letter.name.topic}
            and self.code in {None, letter.code}
            and self.entity in {None, letter.entity}
        )
