"""Orders and buffers at the order management station: what their counters allow us to do."""

from enum import StrEnum

import msgspec


class RemoteOrder(StrEnum):
    CREATED = "CREATED"
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    READY = "READY"
    DECLINED = "DECLINED"
    CLOSED = "CLOSED"


class RemoteBuffer(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXHAUSTED = "EXHAUSTED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"


class BufferStatus(StrEnum):
    WAITING = "WAITING"
    FETCHING = "FETCHING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"
    SURPLUS = "SURPLUS"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


LIVE_ORDERS = frozenset(
    {RemoteOrder.CREATED, RemoteOrder.PENDING, RemoteOrder.APPROVED, RemoteOrder.READY}
)
_ADVANCE = (
    RemoteOrder.DECLINED,
    RemoteOrder.CLOSED,
    RemoteOrder.CREATED,
    RemoteOrder.PENDING,
    RemoteOrder.APPROVED,
    RemoteOrder.READY,
)


class Buffer(msgspec.Struct, frozen=True):
    """One GTIN of one station order. Counters the station does not know yet are None.

    `stored` is the sum of the quantities of the stored blocks, `waived` what a named operator
    gave up, `lost` what the station handed out and no block returns. `counted_at`: ms UTC when
    the station last told how many codes are available, which its list of orders leaves out.
    """

    gtin: str
    ordered: int
    status: BufferStatus = BufferStatus.WAITING
    remote: RemoteBuffer | None = None
    total: int | None = None
    available: int | None = None
    passed: int | None = None
    stored: int = 0
    waived: int | None = None
    lost: int = 0
    counted_at: int | None = None


def block_size(available: int, *, block: int, tail: int) -> int:
    """How many codes to ask for: the call that empties a buffer carries only the tail.

    A drained order closes by itself and then gives no lost block back, so the last call risks
    `tail` codes and not a whole block.
    """
    wanted = min(block, available)
    if wanted == available and wanted > tail:
        return wanted - tail
    return wanted


def missing(buffer: Buffer) -> int:
    """Codes the station says it handed out and that are not stored here."""
    return max(0, (buffer.passed or 0) - buffer.stored)


def remainder(buffer: Buffer) -> int | None:
    """Codes still to come, which closing would annul; None while the counters are unknown."""
    return None if buffer.total is None else max(0, buffer.total - buffer.stored)


def is_done(buffer: Buffer) -> bool:
    """Nothing is left to fetch from this buffer, or a named operator gave the rest up."""
    if buffer.remote in {RemoteBuffer.REJECTED, RemoteBuffer.CLOSED}:
        return True
    if buffer.total is not None and 0 < buffer.total <= buffer.stored:
        return True
    if buffer.remote is RemoteBuffer.EXHAUSTED and buffer.passed == buffer.stored:
        return True
    rest = remainder(buffer)
    waived = buffer.waived is not None and rest is not None and rest <= buffer.waived
    return waived and bool(buffer.total)


def ready_to_close(
    remote: RemoteOrder | None, buffers: tuple[Buffer, ...], *, fetching: bool
) -> bool:
    """`fetching`: a call for codes is planned, under way or of unknown outcome."""
    if fetching or remote not in {RemoteOrder.READY, RemoteOrder.CLOSED}:
        return False
    return bool(buffers) and all(is_done(buffer) for buffer in buffers)


def order_state(buffers: tuple[Buffer, ...]) -> RemoteOrder | None:
    """The state of an order as its buffers show it; None: they show nothing."""
    states = {buffer.remote for buffer in buffers}
    if not buffers or states == {None}:
        return None
    if states == {RemoteBuffer.REJECTED}:
        return RemoteOrder.DECLINED
    if states <= {RemoteBuffer.CLOSED, RemoteBuffer.REJECTED}:
        return RemoteOrder.CLOSED
    if states & {RemoteBuffer.ACTIVE, RemoteBuffer.EXHAUSTED, RemoteBuffer.CLOSED}:
        return RemoteOrder.READY
    return RemoteOrder.PENDING


def buffer_status(buffer: Buffer, *, closed: bool = False, expired: bool = False) -> BufferStatus:
    """Our status of a buffer; `closed`: its order takes no more calls."""
    goal = buffer.total or buffer.ordered
    if buffer.remote is RemoteBuffer.REJECTED:
        return BufferStatus.REJECTED
    if buffer.stored > goal:
        return BufferStatus.SURPLUS
    if buffer.stored == goal:
        return BufferStatus.COMPLETE
    if closed or buffer.remote is RemoteBuffer.CLOSED:
        return BufferStatus.EXPIRED if expired else BufferStatus.INCOMPLETE
    if buffer.remote in {RemoteBuffer.ACTIVE, RemoteBuffer.EXHAUSTED}:
        return BufferStatus.FETCHING
    return BufferStatus.WAITING


def most_advanced(states: tuple[RemoteOrder | None, ...]) -> int:
    """Index of the live order to adopt among doubles; the first of equals."""
    ranks = [-1 if state is None else _ADVANCE.index(state) for state in states]
    return ranks.index(max(ranks))
