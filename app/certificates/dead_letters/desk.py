"""What people do with dead letters: look, open, send again, give up; each with a trace."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
import structlog
from aiokafka import AIOKafkaProducer

from app.certificates.dead_letters.letters import Letter, Name, Wanted
from app.certificates.dead_letters.payloads import shown
from app.certificates.dead_letters.shelf import Finder, Listing, Shelf
from app.certificates.sealing import CannotOpen, DeadLetterSealer
from app.contracts import dead_letters as wire
from app.contracts.messages import SCHEMA, SOURCE, AuditPart, Envelope, GiftCertificateBI
from app.contracts.topics import BATCHES, BI, HANDLED
from app.domain.certificates.times import rfc3339
from app.kafka_access import KafkaAccess

LIST_MOST = 1_000
HANDLED_MOST = 500
MESSAGE_MOST = 8 << 20
log = structlog.get_logger("dead letters")
_json = msgspec.json.Encoder().encode
_counter = itertools.count()


class Refused(Exception):
    """The letter stays as it is; `code` is stable, the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Who(msgspec.Struct, frozen=True):
    """For the audit: by which way, and which person."""

    client: str
    actor: str


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    letter: str
    outcome: Literal["replayed", "discarded", "refused"]
    code: str | None = None
    detail: str | None = None


class Desk:
    """Opens its connections for each act: there are few."""

    def __init__(
        self, kafka: KafkaAccess, graves: DeadLetterSealer, now_ms: Callable[[], int]
    ) -> None:
        self._kafka = kafka
        self._graves = graves
        self._now_ms = now_ms
        self._shelf = Shelf(kafka)

    async def listing(self, wanted: Wanted, *, limit: int = 100) -> Listing:
        """Open letters; nothing is unsealed."""
        return await self._shelf.open_letters(wanted, limit=min(limit, LIST_MOST))

    async def show(self, name: Name, who: Who) -> dict[str, Any]:
        """Cause and redacted payload. Raises Refused."""
        marks = await self._shelf.handled()
        async with self._shelf.finding() as finder, self._producer() as producer:
            letter = await _found(finder, name)
            await self._audit(producer, letter, "ShowDeadLetter", who=who)
            payload = shown(letter, self._opened(letter))
        mark = marks.get(str(name))
        handled = None if mark is None else msgspec.to_builtins(mark)
        return letter.view() | {"payload": payload, "handled": handled}

    async def replay(self, names: Sequence[Name], who: Who) -> list[Outcome]:
        """The original goes where it came from; receivers know what they have seen before."""
        return await self._each(names, who, act=self._replay)

    async def discard(self, names: Sequence[Name], who: Who, reason: str) -> list[Outcome]:
        """The letters leave the list; they stay in their topic for its time."""

        async def act(producer: AIOKafkaProducer, letter: Letter, who: Who) -> Outcome:
            await self._audit(producer, letter, "DiscardDeadLetter", who=who, reason=reason)
            await self._mark(producer, letter, "discarded", who=who, reason=reason)
            return Outcome(str(letter.name), "discarded")

        return await self._each(names, who, act=act)

    async def _each(self, names: Sequence[Name], who: Who, *, act: Any) -> list[Outcome]:
        if len(names) > HANDLED_MOST:
            raise Refused("TooManyLetters", f"at most {HANDLED_MOST} at once")
        marks, outcomes = await self._shelf.handled(), []
        async with self._shelf.finding() as finder, self._producer() as producer:
            for name in dict.fromkeys(names):
                try:
                    letter = await _found(finder, name)
                    _still_open(marks.get(str(name)))
                    outcomes.append(await act(producer, letter, who))
                except Refused as refused:
                    outcomes.append(Outcome(str(name), "refused", refused.code, str(refused)))
        return outcomes

    async def _replay(self, producer: AIOKafkaProducer, letter: Letter, who: Who) -> Outcome:
        """The mark comes last: a crash before it leaves the letter open, and twice is safe."""
        value = _replayable(letter, self._opened(letter))
        await self._audit(producer, letter, "ReplayDeadLetter", who=who)
        await producer.send_and_wait(
            letter.target,
            value,
            letter.key or None,
            partition=await _partition(producer, letter),
            headers=[(wire.REPLAYED, str(letter.name).encode())],
        )
        await self._mark(producer, letter, "replayed", who=who)
        return Outcome(str(letter.name), "replayed")

    def _opened(self, letter: Letter) -> bytes:
        if letter.sealed is None:
            return letter.value
        try:
            return self._graves.open(letter.sealed, letter.value)
        except CannotOpen as error:
            raise Refused("LetterUnreadable", str(error)) from None

    async def _mark(
        self,
        producer: AIOKafkaProducer,
        letter: Letter,
        what: Literal["replayed", "discarded"],
        *,
        who: Who,
        reason: str | None = None,
    ) -> None:
        mark = wire.Handled(what, self._now_ms(), who.client, who.actor, reason)
        await producer.send_and_wait(HANDLED, _json(mark), str(letter.name).encode())

    async def _audit(
        self,
        producer: AIOKafkaProducer,
        letter: Letter,
        command: str,
        *,
        who: Who,
        reason: str | None = None,
    ) -> None:
        """Before anything is shown or sent: what nobody recorded did not happen."""
        at = self._now_ms()
        audit = AuditPart(
            client=who.client, actor=who.actor, command=command, outcome="ok", reason=reason
        )
        told = GiftCertificateBI("Access", audit=audit)
        n = next(_counter)
        name = f"{letter.name}:{at}:{n}"
        event = Envelope(name, BI, SCHEMA, rfc3339(at), at, n, SOURCE, told)
        await producer.send_and_wait(BI, _json(event), str(letter.name).encode())
        log.info("dead letter", letter=str(letter.name), command=command, actor=who.actor)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = self._kafka.client(
            AIOKafkaProducer,
            acks="all",
            enable_idempotence=True,
            max_request_size=MESSAGE_MOST,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


async def _found(finder: Finder, name: Name) -> Letter:
    letter = await finder.find(name)
    if letter is None:
        raise Refused("LetterUnknown", "no letter lies there, or not any more")
    return letter


def _still_open(mark: wire.Handled | None) -> None:
    if mark is not None:
        raise Refused("LetterHandled", f"{mark.what} by {mark.actor}")


async def _partition(producer: AIOKafkaProducer, letter: Letter) -> int | None:
    """Where the original lay; a command goes to its owner, as its key says."""
    place = letter.headers.get(wire.PARTITION, "")
    if letter.is_command or not place.isdecimal():
        return None
    numbers = await producer.partitions_for(letter.target)
    return int(place) if int(place) in numbers else None


def _replayable(letter: Letter, opened: bytes) -> bytes:
    """A row becomes a batch of itself again, one attempt further, so that its outcome counts."""
    if wire.ROW not in letter.headers or letter.target != BATCHES:
        return opened
    if letter.code == "RowChanged":
        raise Refused("RowChanged", "its number is another certificate's: send it under its own")
    batch_id, chunk, attempt = _chunk(letter)
    try:
        row = msgspec.json.decode(opened)
    except msgspec.DecodeError:
        row = None
    if not isinstance(row, dict):
        raise Refused("RowUnreadable", "the row is no object: correct it and send it again")
    numbered = row | {"row": int(letter.headers[wire.ROW])}
    message = {"batchId": batch_id, "chunk": chunk, "attempt": attempt + 1, "rows": [numbered]}
    return _json(message)


def _chunk(letter: Letter) -> tuple[str, int, int]:
    parts = letter.headers.get(wire.CHUNK, "").rsplit(":", 2)
    if len(parts) != 3:
        raise Refused("ChunkUnknown", "the letter names no chunk: send the row in a new one")
    return parts[0], int(parts[1]), int(parts[2])
