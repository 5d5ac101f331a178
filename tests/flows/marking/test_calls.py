"""The lives of intents as a sheet: what each writer makes of a call in each of its states."""

from collections.abc import Awaitable, Callable

import pytest

from app.domain.marking.view import CallState, Operation
from app.integrations.answers import Answer
from app.integrations.errors import (
    AnswerLate,
    Failure,
    InvalidRequest,
    RetryClass,
    Unreachable,
    Upstream,
    UpstreamError,
)
from app.marking import calls, leases
from app.marking.calls import ClaimRefused, NewCall
from app.marking.database import Transaction
from app.marking.leases import Lease
from tests.flows.marking.rig import Rig

Writer = Callable[[Transaction, Lease, str], Awaitable[object]]
FAILURE = Failure(Upstream.SUZ, "create_order", RetryClass.RECONCILE, "no text")


async def claimed(tx: Transaction, lease: Lease, call_id: str) -> None:
    await calls.claim(tx, lease, call_id, body_sha256=None)


async def answered(tx: Transaction, _lease: Lease, call_id: str) -> None:
    await calls.answered(tx, call_id, Answer(None, b"", 200))


def settled(state: CallState) -> Writer:
    return lambda tx, _lease, call_id: calls.settle(tx, call_id, state)


def failed(kind: type[UpstreamError]) -> Writer:
    return lambda tx, _lease, call_id: calls.failed(tx, call_id, kind(FAILURE), again_ms=0)


# From which states a writer moves a call, and where to; elsewhere it changes nothing.
SHEET: list[tuple[Writer, str, str]] = [
    (claimed, "PLANNED", "CLAIMED"),
    (answered, "PLANNED CLAIMED UNKNOWN", "ANSWERED"),
    (failed(Unreachable), "PLANNED CLAIMED", "PLANNED"),
    (failed(InvalidRequest), "PLANNED CLAIMED", "REFUSED"),
    (failed(AnswerLate), "CLAIMED", "UNKNOWN"),
    (settled(CallState.FOUND), "PLANNED CLAIMED UNKNOWN ABSENT", "FOUND"),
    (settled(CallState.ABSENT), "PLANNED CLAIMED UNKNOWN ABSENT", "ABSENT"),
    (settled(CallState.REFUSED), "PLANNED CLAIMED UNKNOWN ABSENT", "REFUSED"),
]


@pytest.mark.parametrize("before", list(CallState))
async def test_an_intent_moves_as_its_sheet_says(rig: Rig, before: CallState) -> None:
    """What is answered, refused or found stays so, whoever comes late."""
    rig.works = False
    order = await rig.start(1)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=100_000)
    assert lease is not None
    for place, (write, sources, target) in enumerate(SHEET):
        call_id = await call_in(rig, order, before, subject=str(place))
        try:
            async with rig.database.transaction() as tx:
                await write(tx, lease, call_id)
        except ClaimRefused:
            assert write is claimed
        expected = target if before in sources.split() else before
        async with rig.database.transaction() as tx:
            assert (await calls.load(tx, call_id)).state == expected, (place, target)


async def call_in(rig: Rig, order: str, state: CallState, *, subject: str) -> str:
    new = NewCall(rig.participant_id, order, Operation.CREATE_ORDER, subject)
    async with rig.database.transaction() as tx:
        call_id = await calls.plan(tx, new)
        await tx.execute(
            "update marking.calls set state = %(state)s where id = %(id)s", state=state, id=call_id
        )
    return call_id
