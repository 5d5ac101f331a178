"""When nothing is to be done: does the order wait in vain, for a token or for too long?"""

from app.domain.marking.order import Hold, OrderStatus
from app.domain.marking.steps import Wait
from app.integrations.errors import Upstream
from app.marking import store, tokens
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.failures import after_missing_token
from app.marking.tokens import TokenKind, TokenMissing

S = OrderStatus
POLLED: dict[OrderStatus, Upstream] = {
    S.DOC_CHECKING: Upstream.TRUE_API,
    S.EMITTING: Upstream.SUZ,
    S.COLLECTING: Upstream.SUZ,
}


async def wait(desk: Desk, work: Work, step: Wait) -> Next:
    """Polled orders need a live token, or nobody will ever wake them."""
    if await _given_back(desk, work):
        async with desk.database.transaction() as tx:
            await store.clear_hold(tx, work.lease, Hold.ATTENTION)
        return AGAIN
    upstream = POLLED.get(work.row.status)
    if upstream is not None and work.row.hold is not Hold.ATTENTION:
        try:
            await tokens.grant(desk.database, work.participant, upstream, sealer=desk.sealer)
        except TokenMissing as missing:
            return await after_missing_token(desk, work, missing)
        if work.row.hold in {Hold.SIGN_IN, Hold.UPSTREAM}:
            async with desk.database.transaction() as tx:
                await store.clear_hold(tx, work.lease, Hold.SIGN_IN, Hold.UPSTREAM)
    return Until(step.until)


async def _given_back(desk: Desk, work: Work) -> bool:
    """A person signed in while this order was still being told of the other program."""
    if (work.row.hold_detail or {}).get("code") != "two-programs":
        return False
    found = [await tokens.read(desk.database, work.participant.id, kind) for kind in TokenKind]
    return work.row.hold is Hold.ATTENTION and not any(row.renewal_stopped for row in found)
