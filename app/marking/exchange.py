"""A signed challenge becomes a token: one call that is never repeated."""

from typing import Any

import msgspec

from app.integrations import true_api
from app.integrations.answers import Answer
from app.integrations.errors import Refused, UpstreamError
from app.integrations.requests import anonymous
from app.integrations.true_api_answers import SignedIn
from app.marking import audit, tokens
from app.marking.audit import Entry
from app.marking.calls import ClaimRefused
from app.marking.database import NOW_MS, Transaction
from app.marking.desk import Desk
from app.marking.ids import new_id
from app.marking.participants import Participant
from app.marking.sealing import token_place
from app.marking.sign_requests import SignRequest
from app.marking.tokens import TokenKind

OPERATION = {TokenKind.TRUE_API: "sign_in_true_api", TokenKind.SUZ: "sign_in_suz"}


class Exchange(msgspec.Struct, frozen=True):
    """`mark`: proves that this sign-in is the one under way; `inn`: under a power of attorney."""

    participant: Participant
    kind: TokenKind
    request: SignRequest
    mark: str
    person: bool
    inn: str | None = None


async def exchange(desk: Desk, given: Exchange) -> None:
    """Send the signed challenge and keep the token. Raises the errors of the upstream."""
    call_id = await _plan(desk, given)
    try:
        answer = await _call(desk, given, call_id)
    except UpstreamError as error:
        await _failed(desk, given, error=error, call_id=call_id)
        raise
    desk.crash.passed(OPERATION[given.kind], "answered")
    await desk.database.until_committed(
        lambda tx: _store(tx, desk, given=given, answer=answer, call_id=call_id)
    )
    desk.crash.passed(OPERATION[given.kind], "committed")


async def _plan(desk: Desk, given: Exchange) -> str:
    call_id = new_id()
    await desk.database.execute(
        """insert into marking.calls (id, participant_id, subject_id, operation, retry_class,
               state) values (%(id)s, %(participant)s, %(subject)s, %(operation)s, 'never',
               'PLANNED')""",
        id=call_id,
        participant=given.participant.id,
        subject=given.request.id,
        operation=OPERATION[given.kind],
    )
    return call_id


async def _call(desk: Desk, given: Exchange, call_id: str) -> Answer[SignedIn]:
    participant = given.participant
    assert given.request.signature is not None, "only signed challenges are exchanged"

    async def claim(_sha256: str) -> None:
        async with desk.database.transaction() as tx:
            await _claim(tx, given, call_id)
        desk.crash.passed(OPERATION[given.kind], "claimed")

    proof: dict[str, Any] = {
        "uuid": given.request.context["uuid"],
        "signature": given.request.signature,
        "claim": claim,
        "inn": given.inn,
    }
    client, access = desk.clients.true_api, anonymous(participant.id)
    if given.kind is TokenKind.TRUE_API:
        return await true_api.sign_in(client, access, **proof)
    connection = participant.oms_connection
    return await true_api.sign_in_suz(client, access, oms_connection=connection, **proof)


async def _claim(tx: Transaction, given: Exchange, call_id: str) -> None:
    """From here on the former token of a connection may be dead, whatever we hear."""
    used = await tx.execute(
        """update marking.sign_requests set state = 'USED'
           where id = %(id)s and state = 'SIGNED'""",
        id=given.request.id,
    )
    if not used:
        raise ClaimRefused("the challenge is no longer signed and unused")
    await tx.execute(
        """update marking.calls set state = 'CLAIMED', claimed_at = clock_timestamp()
           where id = %(id)s""",
        id=call_id,
    )
    if given.kind is TokenKind.SUZ:
        await tx.execute(
            """update marking.tokens set state = 'REFUSED'
               where participant_id = %(participant)s and kind = 'suz' and state = 'LIVE'""",
            participant=given.participant.id,
        )


async def _store(
    tx: Transaction, desk: Desk, *, given: Exchange, answer: Answer[SignedIn], call_id: str
) -> None:
    participant, kind, token = given.participant, given.kind, answer.value.token
    now = int(await tx.value(f"select {NOW_MS}"))
    stated = answer.value.expires_at_ms
    life, source = tokens.life_ms(token, stated_ms=stated, received_ms=now, terms=desk.terms)
    stored = await tx.execute(
        """update marking.tokens set seq = seq + 1, token_enc = %(sealed)s,
               state = 'LIVE', issued_at = clock_timestamp(), expires_source = %(source)s,
               expires_at = clock_timestamp() + %(life)s * interval '1 millisecond',
               renewal_stopped = renewal_stopped and not %(person)s,
               refused_early_at = case when %(person)s then null else refused_early_at end,
               warned_minutes = null
           where participant_id = %(participant)s and kind = %(kind)s
                 and renewing_by = %(mark)s""",
        sealed=desk.sealer.seal(token.reveal().encode(), place=token_place(participant.id, kind)),
        source=source,
        life=life,
        person=given.person,
        participant=participant.id,
        kind=kind,
        mark=given.mark,
    )
    await tx.execute(
        """update marking.calls set state = 'ANSWERED', answered_at = clock_timestamp(),
               http_status = %(status)s where id = %(id)s""",
        status=answer.http_status,
        id=call_id,
    )
    await see_date(tx, participant.id, answer.remote_date_ms)
    if stored:
        await _issued(tx, given, life=life)


async def _issued(tx: Transaction, given: Exchange, *, life: int) -> None:
    """Audit, and everybody who waited for a token goes on, or is just being told to wait."""
    entry = Entry("token.issued", "worker", given.participant.id, subject=given.kind)
    await audit.write(tx, msgspec.structs.replace(entry, details={"life_ms": life}))
    await tx.execute(
        """update marking.orders set wake_seq = wake_seq + 1, due_at = now(),
               hold = case when hold_detail->>'code' = 'two-programs' then null else hold end
           where participant_id = %(id)s and (hold = 'sign_in'
                 or (hold = 'attention' and hold_detail->>'code' = 'two-programs')
                 or lease_until > clock_timestamp())""",
        id=given.participant.id,
    )


async def _failed(desk: Desk, given: Exchange, *, error: UpstreamError, call_id: str) -> None:
    text = error.failure.text if isinstance(error, Refused) else "answer lost"
    status = error.failure.http_status
    async with desk.database.transaction() as tx:
        await tx.execute(
            """update marking.calls set state = 'REFUSED', answered_at = clock_timestamp(),
                   http_status = %(status)s, error = %(text)s where id = %(id)s""",
            status=status,
            text=text,
            id=call_id,
        )
        entry = Entry("token.refused", "worker", given.participant.id, subject=given.kind)
        details = {"http_status": status, "text": text}
        await audit.write(tx, msgspec.structs.replace(entry, details=details))


async def see_date(
    tx: Transaction, participant_id: str, remote_ms: int | None, *, upstream: str = "true_api"
) -> None:
    """The remote clock, for looking back by its time and for the gauge of skew."""
    if remote_ms is None:
        return
    await tx.execute(
        """insert into marking.upstream_limits (participant_id, upstream, next_free_at,
               remote_date, remote_seen_at)
           values (%(id)s, %(upstream)s, clock_timestamp(), to_timestamp(%(at)s / 1000.0),
               clock_timestamp())
           on conflict (participant_id, upstream) do update
               set remote_date = excluded.remote_date, remote_seen_at = excluded.remote_seen_at""",
        id=participant_id,
        upstream=upstream,
        at=remote_ms,
    )
