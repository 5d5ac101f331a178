"""The mart's copy of what the ledger publishes: batches of records become rows, in one commit."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from app.certificates import mart_statements as sql
from app.certificates.database import Database, Transaction
from app.contracts.messages import SCHEMA, Envelope
from app.contracts.topics import BI, ORDER_STATE, STATE, TRANSACTION

SOURCES = (STATE, TRANSACTION, BI, ORDER_STATE)
FIRST_TYPES = (b'"Issued"', b'"Activated"')
log = structlog.get_logger("mart")
Rows = list[dict[str, Any]]
Event = Envelope[msgspec.Raw]


class Record(Protocol):
    """What is used of a consumed record."""

    @property
    def topic(self) -> str: ...

    @property
    def offset(self) -> int: ...

    @property
    def value(self) -> bytes | None: ...


class NewerEvent(Exception):
    """Written by a newer publisher: a newer mart has to read it, it is not poison."""


class _Named(msgspec.Struct, frozen=True, rename="camel"):
    certificate_id: str | None = None
    order_id: str | None = None
    order_line_id: str | None = None
    batch_id: str | None = None
    refund_request_id: str | None = None


NOTHING = msgspec.Raw()


class _Told(msgspec.Struct, frozen=True):
    """A part that is not there is an empty one: Raw knows no alternative."""

    kind: str
    certificate: msgspec.Raw = NOTHING
    audit: msgspec.Raw = NOTHING
    line: msgspec.Raw = NOTHING
    refund: msgspec.Raw = NOTHING
    row: msgspec.Raw = NOTHING
    notification: msgspec.Raw = NOTHING


_event = msgspec.json.Decoder(Envelope[msgspec.Raw]).decode
_told = msgspec.json.Decoder(_Told).decode
_named = msgspec.json.Decoder(_Named).decode
_encode = msgspec.json.Encoder().encode


class Mart:
    """Facts are written once, current rows follow the newest sequence: any order, any repetition
    ends in the same tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months: set[str] = set()

    async def take(self, topic: str, records: Sequence[Record]) -> int:
        """Commits what the records say; the number of records that nobody can read.

        Raises StorageUnavailable, NewerEvent, and errors of the driver for rows that the
        tables refuse: nothing of the batch is written then.
        """
        events, unreadable = _events(records)
        written = WRITERS[topic](events)
        months = {row["at"][:7] for row in written.get(sql.AUDIT, ())} - self._months
        if events:
            async with self._database.transaction() as tx:
                if months:
                    days = [f"{month}-01" for month in sorted(months)]
                    await tx.execute(sql.AUDIT_MONTHS, days=days)
                await _write(tx, written)
        self._months |= months
        return unreadable


async def _write(tx: Transaction, written: dict[str, Rows]) -> None:
    for statement, rows in written.items():
        if rows:
            await tx.execute(statement, rows=payload(rows))


def payload(rows: Rows) -> str:
    """JSON that PostgreSQL can keep: it has no place for the zero character."""
    encoded = _encode(rows)
    if b"\\u0000" in encoded:
        encoded = _encode(_without_zero(msgspec.json.decode(encoded)))
    return encoded.decode()


def _without_zero(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "�")
        case list():
            return [_without_zero(one) for one in value]
        case dict():
            return {_without_zero(name): _without_zero(one) for name, one in value.items()}
        case _:
            return value


def _events(records: Iterable[Record]) -> tuple[list[Event], int]:
    events, unreadable = [], 0
    for record in records:
        if record.value is None:
            continue
        try:
            event = _event(record.value)
        except msgspec.DecodeError:
            log.warning("unreadable record skipped", topic=record.topic, offset=record.offset)
            unreadable += 1
            continue
        if event.schema > SCHEMA:
            raise NewerEvent(f"{record.topic} at {record.offset} has schema {event.schema}")
        events.append(event)
    return events, unreadable


def _row(event: Event, data: msgspec.Raw, **more: Any) -> dict[str, Any]:
    return {
        "id": event.id,
        "sequence": event.sequence,
        "n": event.n,
        "at": event.occurred_at,
        "data": data,
        **more,
    }


class _Newest:
    """Reduces to the newest sequence per key, as one statement may touch a row only once."""

    def __init__(self) -> None:
        self._rows: dict[object, dict[str, Any]] = {}

    def add(self, key: object, row: dict[str, Any]) -> None:
        known = self._rows.get(key)
        if known is None or row["sequence"] > known["sequence"]:
            self._rows[key] = row

    @property
    def rows(self) -> Rows:
        return list(self._rows.values())


def _states(events: list[Event]) -> dict[str, Rows]:
    newest = _Newest()
    for event in events:
        newest.add(_entity(event), _row(event, event.data))
    return {sql.CERTIFICATES: newest.rows}


def _orders(events: list[Event]) -> dict[str, Rows]:
    newest = _Newest()
    for event in events:
        newest.add(_entity(event), _row(event, event.data))
    return {sql.ORDERS: newest.rows}


def _transactions(events: list[Event]) -> dict[str, Rows]:
    rows = [_row(event, event.data) for event in events]
    firsts = [row for row in rows if any(name in bytes(row["data"]) for name in FIRST_TYPES)]
    return {sql.OPERATIONS: rows, sql.FIRSTS: firsts}


def _bi(events: list[Event]) -> dict[str, Rows]:
    lines, refunds = _Newest(), _Newest()
    audit: Rows = []
    batches: dict[str | None, dict[str, Any]] = {}
    batch_rows: Rows = []
    for event in events:
        told = _told(event.data)
        if _given(told.audit) and told.kind != "Refund":
            # A refund record repeats the audit of the operation beside it.
            audit.append(_audit(event, told))
        if _given(told.line):
            named = _named(told.line)
            key = (named.order_id, named.order_line_id)
            lines.add(key, _row(event, told.line))
        if _given(told.refund):
            named = _named(told.refund)
            refunds.add(named.refund_request_id, _row(event, told.refund))
        if _given(told.row):
            batch_rows.append(_row(event, told.row, place=len(batch_rows)))
            name = _named(told.row).batch_id
            batches[name] = {"id": name}
    return {
        sql.AUDIT: audit,
        sql.LINES: lines.rows,
        sql.REFUNDS: refunds.rows,
        sql.BATCHES: list(batches.values()),
        sql.BATCH_ROWS: batch_rows,
    }


def _audit(event: Event, told: _Told) -> dict[str, Any]:
    parts = (told.certificate, told.line, told.notification)
    about = next((part for part in parts if _given(part)), None)
    if about is None:
        return _row(event, told.audit, certificateId=None, orderId=_entity(event))
    named = _named(about)
    return _row(event, told.audit, certificateId=named.certificate_id, orderId=named.order_id)


def _given(part: msgspec.Raw) -> bool:
    return bytes(part) not in {b"", b"null"}


def _entity(event: Event) -> str:
    return event.id.rsplit(":", 2)[0]


WRITERS: dict[str, Callable[[list[Event]], dict[str, Rows]]] = {
    STATE: _states,
    TRANSACTION: _transactions,
    BI: _bi,
    ORDER_STATE: _orders,
}
