"""One commit in the making: decisions over entities, and the journal batch they become."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import structlog
from aiokafka import ConsumerRecord

from app.contracts import tracing, wire
from app.domain.decision import Context, Entity, LostPage, Reply
from app.domain.policy import Policy
from app.metrics import FLOW, LEDGER, at_zero
from tables.entities import Entities, Held, Registry, Touched
from tables.journal import Record
from tables.store import Changes

SOFT_BYTES = 3 << 20
HARD_BYTES = 7 << 20
ENTITY_BYTES = 1 << 20
_GUESS = 512
DUE_WORK_FAILED = "DueWorkFailed"
at_zero(FLOW.alerts, DUE_WORK_FAILED)
log = structlog.get_logger("partition")


class EntityTooLarge(Exception):
    """A record would exceed 1 MB; the state stays as it was."""


class Request:
    """An HTTP command that waits for its answer; `deadline` in loop time."""

    __slots__ = ("command", "deadline", "future", "id", "key", "now", "taken", "trace")

    def __init__(
        self, key: str, command: msgspec.Struct, *, command_id: str, now: int, deadline: float
    ) -> None:
        self.key = key
        self.command = command
        self.id = command_id
        self.now = now
        self.deadline = deadline
        self.taken = False
        self.trace = tracing.current()
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()


class DeadLetter(msgspec.Struct, frozen=True):
    record: ConsumerRecord
    stage: Literal["DECODE", "DECIDE"]
    code: str
    message: str


class Draft:
    """Decisions of one commit; nothing outside it changes until the commit is acknowledged."""

    def __init__(self, entities: Entities, registry: Registry, policy: Policy) -> None:
        self._entities = entities
        self._registry = registry
        self._policy = policy
        self._touched: dict[bytes, Touched] = {}
        self.bytes = 0
        self.commands = 0
        self.decided = 0
        self.last: ConsumerRecord | None = None
        self.last_due: tuple[int, bytes] | None = None
        self.answers: list[tuple[Request, Reply | Exception]] = []
        self.dead: list[DeadLetter] = []
        self.stale_hints: list[tuple[int, bytes]] = []

    @property
    def full(self) -> bool:
        return self.bytes > SOFT_BYTES

    @property
    def empty(self) -> bool:
        return not (self._touched or self.answers or self.dead or self.stale_hints)

    def answer(self, request: Request, now: int) -> None:
        """Decides a request; what its decision raises is the caller's answer, not ours."""
        request.taken = True
        self.decided += 1
        entity, _ = self._registry.by_command[type(request.command).__name__]
        context = self._context(entity, request.key, id_=request.id, now=now)
        try:
            reply = self._decide(entity, request.command, context, trace=request.trace)
        except Exception as error:
            key = entity.prefix + request.key.encode()
            kind = type(request.command).__name__
            named = self._named(key) | tracing.in_logs(request.trace)
            log.exception("decision raised", command=kind, command_id=request.id, **named)
            self.answers.append((request, error))
            return
        assert reply is not None, "every request is answered"
        self.answers.append((request, reply))

    def take(self, record: ConsumerRecord, bound: Any) -> None:
        """Decides a command from the topic; poison is noted for the dead letters.

        Raises NewerSchema: then nothing of this record was taken.
        """
        stage: Literal["DECODE", "DECIDE"] = "DECODE"
        named: dict[str, Any] = {}
        try:
            command_record = wire.decode_command(record.value or b"")
            named = {"command": command_record.kind, "command_id": command_record.id}
            named |= tracing.in_logs(command_record.traceparent)
            entity, decoder = self._registry.by_command[command_record.kind]
            command = decoder.decode(command_record.fields)
            stage = "DECIDE"
            key = entity.prefix + command_record.key.encode()
            now = bound(command_record.now)
            context = self._context(entity, command_record.key, id_=command_record.id, now=now)
            trace = command_record.traceparent
            reply = self._decide(entity, command, context, trace=trace)
            if reply is not None and reply.code is not None:
                LEDGER.refused.labels(command_record.kind, reply.code).inc()
        except wire.NewerSchema:
            raise
        except Exception as error:  # noqa: BLE001 - poison must not stop the partition
            code = type(error).__name__
            if stage == "DECIDE":
                named |= self._named(key)
            log.warning("command is poison", stage=stage, code=code, offset=record.offset, **named)
            self.dead.append(DeadLetter(record, stage, code, f"{stage.lower()} failed: {code}"))
        self.commands += 1
        self.decided += 1
        self.bytes += len(record.value or b"") + _GUESS
        self.last = record

    def due(self, at: int, key: bytes, now: int) -> None:
        """Does an entity's due work; a hint that no longer holds is dropped.

        So is one whose work fails: it would stop the partition of every owner in turn.
        """
        self.decided += 1
        self.last_due = at, key
        entity = self._registry.by_prefix[key[:1]]
        touched = self._touch(key, entity)
        if touched.before.next_due != at:
            self.stale_hints.append((at, key))
        try:
            self._do_due(touched, self._context(entity, key[1:].decode(), id_="due", now=now))
        except Exception:
            log.exception("due work raised", **self._named(key))
        if touched.before.next_due == at and (touched.state is None or _next_due(touched) == at):
            self.give_up_due(at, key)

    def give_up_due(self, at: int, key: bytes) -> None:
        """An operator has to see it; the entity is due again after the next command for it."""
        log.error("due work did nothing, not asked again", **self._named(key))
        FLOW.alerts.labels(DUE_WORK_FAILED).inc()
        self.stale_hints.append((at, key))

    def _named(self, key: bytes) -> dict[str, Any]:
        """What a log may say of an entity: its id and, if it has any, the end of its code."""
        entity, touched = self._registry.by_prefix[key[:1]], self._touched.get(key)
        state = None if touched is None else touched.state
        last4 = None if state is None else entity.last4(state)
        return {"kind": entity.name, "entity": key[1:].decode(), "last4": last4}

    def _do_due(self, touched: Touched, context: Context) -> None:
        due_at = _next_due(touched)
        if due_at is not None and due_at <= context.now:
            self._decide(touched.entity, touched.entity.due, context)

    def reappend(self, key: bytes) -> None:
        """Writes an entity once more, as it is."""
        touched = self._touch(key, self._registry.by_prefix[key[:1]])
        touched.changed = True

    def _context(self, entity: Entity, key: str, *, id_: str, now: int) -> Context:
        if entity.pages is None:
            return Context(key, id_, now, self._policy)
        return Context(key, id_, now, self._policy, partial(self._read_page, entity, key))

    def _read_page(self, entity: Entity, key: str, number: int) -> Any:
        content = self._page(entity, key, number).state
        if content is None:
            raise LostPage(number)
        return content

    def _page(self, entity: Entity, key: str, number: int) -> Touched:
        kind = entity.pages
        assert kind is not None, entity.name
        return self._touch(b"%b%b/%d" % (kind.prefix, key.encode(), number), kind)

    def _decide(
        self, entity: Entity, command: Any, context: Context, *, trace: str | None = None
    ) -> Reply | None:
        touched = self._touch(entity.prefix + context.key.encode(), entity)
        decision = entity.decide(touched.state, command, context)
        if decision.state is not touched.state or decision.events or decision.follow_ups:
            # All that may fail comes first: no state is written without its pages.
            pages = [(self._page(entity, context.key, n), new) for n, new in decision.pages]
            for page, content in pages:
                page.state, page.changed = content, True
            touched.state, touched.trace = decision.state, trace
            touched.events.extend(decision.events)
            touched.follow_ups.extend(decision.follow_ups)
            touched.changed = True
        return decision.reply

    def _touch(self, key: bytes, entity: Entity) -> Touched:
        touched = self._touched.get(key)
        if touched is None:
            held = self._entities.load(key, entity)
            touched = Touched(entity, held, held.state, [], [])
            self._touched[key] = touched
            self.bytes += held.size + _GUESS
        return touched

    def encode(self, epoch: int) -> "Encoded":
        """Raises EntityTooLarge when one record or the whole batch has no room."""
        encoded = Encoded()
        for key, touched in self._touched.items():
            if not touched.changed:
                continue
            held, value = _encode(touched, epoch)
            encoded.bytes += len(value)
            if len(value) > ENTITY_BYTES or encoded.bytes > HARD_BYTES:
                raise EntityTooLarge
            encoded.records.append((key, value, ()))
            encoded.held.append((key, held))
            encoded.changes.put(key, value)
            encoded.changes.due(key, old=touched.before.next_due, new=held.next_due)
            if held.next_due is not None:
                encoded.dues.append(held.next_due)
        for at, key in self.stale_hints:
            encoded.changes.due(key, old=at, new=None)
        return encoded


class Encoded:
    """What the journal gets (without the meta record) and what the store gets after it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.held: list[tuple[bytes, Held]] = []
        self.changes = Changes()
        self.bytes = 0
        self.dues: list[int] = []


def _next_due(touched: Touched) -> int | None:
    return None if touched.state is None else touched.entity.next_due(touched.state)


def _encode(touched: Touched, epoch: int) -> tuple[Held, bytes]:
    state = touched.state
    again = state is touched.before.state and not touched.events and not touched.follow_ups
    sequence = touched.before.sequence + (0 if again else 1)
    due = _next_due(touched)
    value = wire.encode(
        wire.JournalRecord(
            wire.STATE_SCHEMA,
            epoch,
            sequence,
            state,
            _events(touched.events),
            tuple(touched.follow_ups),
            touched.trace,
            due,
        )
    )
    return Held(state, sequence, len(value), due), value


def _events(events: Sequence[Any]) -> Any:
    return list(events)
