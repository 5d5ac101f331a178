"""Access to an upstream outside of the steps of an order: for people and timers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.integrations.errors import Unauthorized, Upstream
from app.integrations.requests import Access
from app.marking import participants, tokens
from app.marking.cards import SIGN_IN_FIRST
from app.marking.desk import Desk
from app.marking.errors import NotFoundError, SignInRequired
from app.marking.participants import Participant
from app.marking.tokens import TokenMissing


async def participant_of(desk: Desk, participant_id: str) -> Participant:
    found = await participants.load(desk.database, participant_id, sealer=desk.sealer)
    if found is None:
        raise NotFoundError("Такой организации нет.")
    return found


@asynccontextmanager
async def access_for(
    desk: Desk, participant: Participant, upstream: Upstream
) -> AsyncIterator[Access]:
    """A live token; one that is refused is declared dead. Raises SignInRequired."""
    try:
        granted = await tokens.grant(desk.database, participant, upstream, sealer=desk.sealer)
    except TokenMissing:
        raise SignInRequired(SIGN_IN_FIRST) from None
    try:
        yield granted.access
    except Unauthorized:
        if granted.kind is not None:
            async with desk.database.transaction() as tx:
                await tokens.refused(
                    tx, participant, granted.kind, used=granted.seq, terms=desk.terms
                )
        raise SignInRequired(SIGN_IN_FIRST) from None
