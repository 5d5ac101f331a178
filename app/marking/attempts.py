"""One try of one intent: claim it, make the call, write down whatever is known afterwards."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from app.domain.marking.order import Hold
from app.integrations.answers import Answer
from app.integrations.errors import (
    Forbidden,
    NotSent,
    OutcomeUnknown,
    Refused,
    Unauthorized,
    Unexpected,
    Upstream,
)
from app.integrations.requests import Access, Claim
from app.marking import calls, store, tokens
from app.marking.calls import ClaimRefused, StationFull
from app.marking.database import Transaction
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.failures import BUSY_WAIT_MS, after_failure, pause, retry_ms
from app.marking.late_answers import declared_absent, keep_late
from app.marking.leases import lock_orders
from app.marking.messages_ru import hold_text

T = TypeVar("T")


class Attempt(msgspec.Struct, Generic[T], frozen=True):
    """`send` makes the call with its claim; `keep` stores what it brought, `refused` what the
    upstream said against it; `guard` checks once more in the claim's transaction; `remote_id`
    reads the foreign number out of an answer.
    """

    operation: str
    call_id: str
    send: Callable[[Claim], Awaitable[Answer[T]]]
    keep: Callable[[Transaction, Answer[T]], Awaitable[None]]
    refused: Callable[[Refused], Awaitable[Next]]
    subject_id: str | None = None
    purpose: str | None = None
    guard: Callable[[Transaction], Awaitable[None]] | None = None
    remote_id: Callable[[T], str] | None = None


async def access_to(desk: Desk, work: Work, upstream: Upstream) -> Access:
    """Access with a live token, remembered in case the upstream refuses it."""
    granted = await tokens.grant(desk.database, work.participant, upstream, sealer=desk.sealer)
    if granted.kind is not None:
        work.used[granted.kind] = granted.seq
    return granted.access


def claiming(desk: Desk, work: Work, attempt: Attempt[T]) -> Claim:
    """The claim the client commits just before the first byte goes out."""

    async def claim(sha256: str) -> None:
        async with desk.database.transaction() as tx:
            sha = bytes.fromhex(sha256)
            await calls.claim(tx, work.lease, attempt.call_id, body_sha256=sha)
            if attempt.purpose is not None and attempt.subject_id is not None:
                await calls.require_signature(
                    tx, attempt.subject_id, purpose=attempt.purpose, body_sha256=sha
                )
            if attempt.guard is not None:
                await attempt.guard(tx)
        desk.crash.passed(attempt.operation, "claimed")

    return claim


async def make(desk: Desk, work: Work, attempt: Attempt[T]) -> Next:
    """The call and its effect; every outcome has left its row when this returns."""
    try:
        answer = await attempt.send(claiming(desk, work, attempt))
    except StationFull:
        until = work.now + desk.terms.scaled_ms(desk.terms.limit_wait_s)
        return await pause(desk, work, Hold.SUZ_LIMIT, code="station-full", until=until)
    except ClaimRefused:
        return Until(work.now + BUSY_WAIT_MS)
    except NotSent as error:
        return await _not_sent(desk, work, attempt=attempt, error=error)
    except OutcomeUnknown as error:
        return await _doubtful(desk, work, attempt=attempt, error=error)
    except Refused as refusal:
        return await _refused(desk, work, attempt=attempt, refusal=refusal)
    desk.crash.passed(attempt.operation, "answered")
    await desk.database.until_committed(lambda tx: _keep(tx, work, attempt, answer=answer))
    desk.crash.passed(attempt.operation, "committed")
    return AGAIN


async def _keep(tx: Transaction, work: Work, attempt: Attempt[T], *, answer: Answer[T]) -> None:
    await lock_orders(tx, [work.row.id])
    absent = await declared_absent(tx, attempt.call_id)
    await attempt.keep(tx, answer)
    if absent is not None:
        named = attempt.remote_id
        await keep_late(tx, absent, remote_id=None if named is None else named(answer.value))


async def _record(
    desk: Desk, call_id: str, error: NotSent | Refused | OutcomeUnknown, *, again_ms: int
) -> None:
    async def work(tx: Transaction) -> None:
        await calls.failed(tx, call_id, error, again_ms=again_ms)

    await desk.database.until_committed(work)


async def _refused(desk: Desk, work: Work, *, attempt: Attempt[T], refusal: Refused) -> Next:
    """No right to the call, or a call made wrong, says nothing against what was to be sent."""
    await _record(desk, attempt.call_id, refusal, again_ms=0)
    if isinstance(refusal, Forbidden | Unexpected):
        return await after_failure(desk, work, refusal)
    return await attempt.refused(refusal)


async def _not_sent(desk: Desk, work: Work, *, attempt: Attempt[T], error: NotSent) -> Next:
    wait = 0 if isinstance(error, Unauthorized) else retry_ms(desk, work, error)
    await _record(desk, attempt.call_id, error, again_ms=wait)
    return await after_failure(desk, work, error)


async def _doubtful(desk: Desk, work: Work, *, attempt: Attempt[T], error: OutcomeUnknown) -> Next:
    await _record(desk, attempt.call_id, error, again_ms=0)
    detail = {"code": "unknown-outcome", "text": hold_text("unknown-outcome")}
    async with desk.database.transaction() as tx:
        await store.set_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME, detail=detail)
    return AGAIN
