"""What follows a failed call: hold, pause or another look; one table for every upstream."""

from typing import Any

from app.domain.marking.order import Hold
from app.integrations.errors import (
    BreakerOpen,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    SendWindowPassed,
    TurnFarAway,
    Unauthorized,
    Upstream,
    UpstreamError,
)
from app.marking import store, tokens
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.messages_ru import failure_code, hold_text, limited_text
from app.marking.sign_in import AuthService
from app.marking.signer import SignerBroken
from app.marking.tokens import TokenKind, TokenMissing

BUSY_WAIT_MS = 500


async def pause(
    desk: Desk, work: Work, hold: Hold, *, code: str, until: int | None = None, **more: Any
) -> Next:
    """Set a hold with its text and give the order back until `until`, or until woken."""
    detail = {"code": code, "text": hold_text(code), **more}
    async with desk.database.transaction() as tx:
        await store.set_hold(tx, work.lease, hold, detail=detail)
    return Until(until)


async def after_failure(desk: Desk, work: Work, error: UpstreamError) -> Next:
    """What to do after a call that changed nothing; a doubtful intent is settled elsewhere."""
    if isinstance(error, Unauthorized):
        return await _after_unauthorized(desk, work, error)
    if isinstance(error, RateLimited | TurnFarAway):
        wait_s = error.retry_after_s or desk.terms.scaled_s(desk.terms.limit_wait_s)
        if isinstance(error, RateLimited):
            await pause(desk, work, Hold.UPSTREAM, code="limited", text=limited_text(wait_s))
        return Until(work.now + round(wait_s * 1_000) + 1)
    if isinstance(error, SendWindowPassed):
        return Until(work.now + BUSY_WAIT_MS, failed=True)
    if isinstance(error, NotSent | OutcomeUnknown):
        until = work.now + retry_ms(desk, work, error)
        await pause(desk, work, Hold.UPSTREAM, code=failure_code(error))
        return Until(until, failed=not isinstance(error, BreakerOpen))
    shown: dict[str, Any] = {
        "detail": error.failure.text,
        "request_id": error.failure.request_id,
    }
    return await pause(desk, work, Hold.ATTENTION, code=failure_code(error), **shown)


def retry_ms(desk: Desk, work: Work, error: UpstreamError) -> int:
    """How long to leave the upstream alone."""
    backoff = desk.terms.backoff_ms(work.row.failures)
    if isinstance(error, BreakerOpen) or error.retry_after_s is not None:
        return max(backoff, desk.terms.scaled_ms(error.retry_after_s or 0))
    return backoff


async def _after_unauthorized(desk: Desk, work: Work, error: UpstreamError) -> Next:
    """The token is declared dead once; replaced meanwhile: the call is simply repeated."""
    for kind, used in work.used.items():
        if (kind == TokenKind.SUZ) == (error.failure.upstream is Upstream.SUZ):
            async with desk.database.transaction() as tx:
                await tokens.refused(
                    tx, work.participant, TokenKind(kind), used=used, terms=desk.terms
                )
            return AGAIN
    return Until(work.now + desk.terms.backoff_ms(work.row.failures), failed=True)


async def after_missing_token(desk: Desk, work: Work, missing: TokenMissing) -> Next:
    """An automatic signer signs in at once; a person is waited for."""
    if missing.stopped:
        return await pause(desk, work, Hold.ATTENTION, code="two-programs")
    if missing.busy:
        return Until(work.now + BUSY_WAIT_MS)
    if not work.participant.signs_by_itself:
        return await pause(desk, work, Hold.SIGN_IN, code="sign-in-required")
    try:
        auth = AuthService(desk)
        done = await auth.sign_in_by_itself(work.participant, missing.kind, replacing=missing.seq)
    except SignerBroken as broken:
        return await pause(desk, work, Hold.ATTENTION, code="signer-broken", detail=str(broken))
    return AGAIN if done else Until(work.now + BUSY_WAIT_MS)
