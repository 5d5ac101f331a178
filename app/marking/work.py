"""Work messages: they only say which order or poll to look at."""

from collections.abc import Awaitable, Callable

import msgspec

ORDER_TASKS = frozenset(
    {
        "check_goods",
        "submit_document",
        "create_order",
        "fetch_codes",
        "close_order",
        "postprocess",
        "reconcile",
        "refresh_codes",
        "advance",
    }
)
POLL_TASKS = frozenset({"poll_documents", "poll_suz_list", "poll_suz_status", "poll_report"})
SCHEMA = 1


class WorkMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`order_id`: the order, or the participant of a poll; it is the key.

    `subject_id`: the participant of the order, or the row of the poll.
    """

    message_id: str
    task: str
    order_id: str
    enqueued_at: int
    schema: int = SCHEMA
    subject_id: str | None = None
    reason: str = "step"
    passes: int | None = None


class UndecodableWork(ValueError):
    """Not a work message of a schema known here: it belongs to the dead letters."""


Publish = Callable[[str, WorkMessage], Awaitable[None]]
_decoder = msgspec.json.Decoder(WorkMessage)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> WorkMessage:
    try:
        message = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise UndecodableWork(f"work message: {problem}") from None
    if message.schema != SCHEMA:
        raise UndecodableWork(f"schema: {message.schema} is not {SCHEMA}")
    if message.task not in ORDER_TASKS | POLL_TASKS:
        raise UndecodableWork(f"task: {message.task!r} is unknown")
    return message
