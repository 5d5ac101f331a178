"""Counters of buffers and what they allow: block sizes, being done, closing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.marking.station import (
    Buffer,
    BufferStatus,
    RemoteBuffer,
    RemoteOrder,
    block_size,
    buffer_status,
    is_done,
    missing,
    most_advanced,
    order_state,
    ready_to_close,
    remainder,
)

A, E, R, C, P = (
    RemoteBuffer.ACTIVE,
    RemoteBuffer.EXHAUSTED,
    RemoteBuffer.REJECTED,
    RemoteBuffer.CLOSED,
    RemoteBuffer.PENDING,
)


@pytest.mark.parametrize(
    ("available", "block", "tail", "expected"),
    [
        (100, 10_000, 1, 99),
        (1, 10_000, 1, 1),
        (2, 10_000, 1, 1),
        (10_000, 10_000, 1, 9_999),
        (10_001, 10_000, 1, 10_000),
        (25_000, 10_000, 1, 10_000),
        (100, 10_000, 0, 100),
        (5, 10_000, 10, 5),
    ],
)
def test_the_call_that_empties_a_buffer_carries_only_the_tail(
    *, available: int, block: int, tail: int, expected: int
) -> None:
    assert block_size(available, block=block, tail=tail) == expected


@given(available=st.integers(1, 5_000), block=st.integers(1, 500), tail=st.integers(1, 20))
def test_any_buffer_is_emptied_and_the_last_call_risks_the_tail_alone(
    available: int, block: int, tail: int
) -> None:
    last = 0
    while available:
        last = block_size(available, block=block, tail=tail)
        assert 1 <= last <= min(block, available)
        available -= last
    assert last <= max(tail, 1)


def buffer(remote: RemoteBuffer | None = A, **counters: int | None) -> Buffer:
    known = {"total": 100, "available": 0, "passed": 100, "stored": 100, **counters}
    return Buffer("04600000000015", 100, remote=remote, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_buffer", "expected"),
    [
        (buffer(), True),
        (buffer(stored=99), False),
        (buffer(R, total=None, passed=None, stored=0), True),
        (buffer(C, stored=3), True),
        (buffer(E, passed=60, stored=60), True),
        (buffer(E, passed=60, stored=59), False),
        (buffer(A, total=0, available=0, passed=0, stored=0), False),
        (buffer(None, total=None, passed=None, stored=0), False),
        (buffer(A, passed=40, stored=40, waived=60), True),
        (buffer(A, passed=40, stored=39, waived=60), False),
        (buffer(A, total=None, stored=0, waived=100), False),
        (buffer(A, total=0, passed=0, stored=0, waived=100), False),
    ],
)
def test_a_buffer_is_done_only_when_nothing_is_left_or_waived(
    given_buffer: Buffer, *, expected: bool
) -> None:
    assert is_done(given_buffer) is expected


@pytest.mark.parametrize(
    ("remote", "buffers", "fetching", "expected"),
    [
        (RemoteOrder.READY, (buffer(),), False, True),
        (RemoteOrder.READY, (buffer(),), True, False),
        (RemoteOrder.APPROVED, (buffer(),), False, False),
        (RemoteOrder.READY, (), False, False),
        (RemoteOrder.READY, (buffer(), buffer(stored=1)), False, False),
        (RemoteOrder.CLOSED, (buffer(C),), False, True),
        (None, (buffer(),), False, False),
    ],
)
def test_an_order_closes_only_when_every_buffer_is_done(
    remote: RemoteOrder | None, buffers: tuple[Buffer, ...], *, fetching: bool, expected: bool
) -> None:
    assert ready_to_close(remote, buffers, fetching=fetching) is expected


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ((P, P), RemoteOrder.PENDING),
        ((A, P), RemoteOrder.READY),
        ((A, R), RemoteOrder.READY),
        ((R, R), RemoteOrder.DECLINED),
        ((C, R), RemoteOrder.CLOSED),
        ((C, C), RemoteOrder.CLOSED),
        ((C, A), RemoteOrder.READY),
        ((E, E), RemoteOrder.READY),
        ((None, None), None),
        ((), None),
    ],
)
def test_buffers_tell_the_state_of_their_order(
    remotes: tuple[RemoteBuffer | None, ...], expected: RemoteOrder | None
) -> None:
    assert order_state(tuple(buffer(remote) for remote in remotes)) is expected


@pytest.mark.parametrize(
    ("given_buffer", "closed", "expired", "expected"),
    [
        (buffer(stored=0), False, False, BufferStatus.FETCHING),
        (buffer(P, total=None, stored=0), False, False, BufferStatus.WAITING),
        (buffer(), False, False, BufferStatus.COMPLETE),
        (buffer(stored=101), False, False, BufferStatus.SURPLUS),
        (buffer(stored=99), True, False, BufferStatus.INCOMPLETE),
        (buffer(C, stored=99), False, True, BufferStatus.EXPIRED),
        (buffer(R, total=None, stored=0), True, False, BufferStatus.REJECTED),
    ],
)
def test_our_status_of_a_buffer_follows_its_codes(
    given_buffer: Buffer, *, closed: bool, expired: bool, expected: BufferStatus
) -> None:
    assert buffer_status(given_buffer, closed=closed, expired=expired) is expected


def test_missing_and_remainder_count_from_what_is_stored() -> None:
    assert missing(buffer(passed=40, stored=30)) == 10
    assert missing(buffer(passed=None, stored=30)) == 0
    assert remainder(buffer(stored=40)) == 60
    assert remainder(buffer(total=None)) is None


def test_among_doubles_the_furthest_live_order_is_taken() -> None:
    states = (RemoteOrder.PENDING, RemoteOrder.READY, RemoteOrder.CLOSED, None)
    assert most_advanced(states) == 1
    assert most_advanced((None, None)) == 0


@pytest.mark.parametrize("remote", [None, P, A, E, C])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("expired", [False, True])
def test_a_buffer_that_has_its_codes_never_loses_them(
    remote: RemoteBuffer | None, *, closed: bool, expired: bool
) -> None:
    told = {"closed": closed, "expired": expired}
    assert buffer_status(buffer(remote), **told) is BufferStatus.COMPLETE
    assert buffer_status(buffer(remote, stored=101), **told) is BufferStatus.SURPLUS
