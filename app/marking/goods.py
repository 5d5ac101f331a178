"""Goods asked for by people: the picker, one card, and whether goods are to be marked."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from app.domain.marking.code import normal_gtin
from app.domain.marking.dictionaries import MARK_CHECK_TEXTS, MarkCheck, ReleaseMethod
from app.domain.marking.draft import WRONG_GTIN, Problem
from app.integrations import nk, suz, true_api
from app.integrations.answers import Answer
from app.integrations.errors import Upstream, UpstreamError
from app.integrations.requests import Access
from app.integrations.true_api_answers import Balance
from app.marking import tokens
from app.marking.access import access_for, participant_of
from app.marking.cards import cards_for, require_orderable
from app.marking.checking import verdicts
from app.marking.desk import Desk
from app.marking.errors import (
    CardNotOrderable,
    SignInRequired,
    ValidationError,
)
from app.marking.participants import Participant

T = TypeVar("T")
Ask = Callable[[Access], Awaitable[Answer[T]]]


async def card(desk: Desk, participant_id: str, gtin: str) -> dict[str, Any]:
    """The card with its flags and what is missing. Raises NotFoundError."""
    participant = await participant_of(desk, participant_id)
    wanted = normal_gtin(gtin)
    if wanted is None:
        raise ValidationError(WRONG_GTIN, errors=[Problem("/gtin", WRONG_GTIN)])
    found = (await cards_for(desk, participant, [wanted]))[wanted]
    why = ""
    try:
        require_orderable(found, ReleaseMethod.PRODUCTION)
    except CardNotOrderable as refusal:
        why = refusal.text
    return {
        "gtin": found.gtin,
        "card": found.card,
        "flags": found.flags,
        "tnved": found.tnved,
        "orderable": not why,
        "why": [why] if why else [],
    }


async def listed(
    desk: Desk, participant_id: str, *, words: str | None, offset: int, limit: int
) -> list[dict[str, Any]]:
    """A page of own cards; `words` keep those whose name or GTIN hold them."""
    participant = await participant_of(desk, participant_id)
    async with access_for(desk, participant, Upstream.NK) as access:
        answer = await nk.product_list(desk.clients.nk, access, limit=limit, offset=offset)
    wanted = (words or "").casefold()
    return [
        {
            "gtin": one.gtin14,
            "name": one.good_name,
            "brand": one.brand_name,
            "tnved": one.tnved,
            "status": one.good_status,
            "detailed_status": one.good_detailed_status,
        }
        for one in answer.value.goods
        if wanted in f"{one.good_name or ''} {one.gtin14}".casefold()
    ]


async def mark_check(
    desk: Desk, participant_id: str, *, gtins: Sequence[str], tnveds: Sequence[str]
) -> list[dict[str, Any]]:
    """Whether goods are to be marked, in chunks the catalogue accepts."""
    participant = await participant_of(desk, participant_id)
    asked = [("gtin", normal_gtin(gtin) or gtin) for gtin in gtins]
    asked += [("tnved", tnved) for tnved in tnveds]
    size = desk.terms.max_mark_check_batch
    found: list[dict[str, Any]] = []
    async with access_for(desk, participant, Upstream.NK) as access:
        for start in range(0, len(asked), size):
            chunk = asked[start : start + size]
            answer = await nk.mark_check(
                desk.clients.nk,
                access,
                gtins=[value for kind, value in chunk if kind == "gtin"],
                tnveds=[value for kind, value in chunk if kind == "tnved"],
            )
            for (kind, _), one in zip(chunk, verdicts(chunk, answer.value), strict=True):
                text = MARK_CHECK_TEXTS.get(one.verdict, "")
                passed = one.verdict is MarkCheck.PASSED
                found.append(
                    {"kind": kind, "value": one.value, "verdict": one.verdict, "passed": passed}
                    | ({"text": text} if text else {})
                )
    return found


async def status(desk: Desk, participant_id: str) -> dict[str, Any]:
    """Tokens, breakers, limits, slots and versions of the station, and the balance."""
    participant = await participant_of(desk, participant_id)
    limits = await desk.database.rows(
        """select upstream, blocked_until, window_calls, remote_date,
                  greatest(0, extract(epoch from blocked_until - clock_timestamp()))::float8
                      as blocked_s
           from marking.upstream_limits where participant_id = %(id)s order by upstream""",
        id=participant_id,
    )
    slots = await desk.database.rows(
        """select s.remote_status as status, count(*) as orders from marking.suz_orders s
           join marking.orders o on o.id = s.order_id
           where o.participant_id = %(id)s and s.current and s.suz_order_id is not null
                 and o.status in ('EMITTING', 'COLLECTING', 'READY_TO_CLOSE', 'CLOSING')
           group by s.remote_status""",
        id=participant_id,
    )
    known = await desk.database.one(
        "select providers from marking.reference_data where participant_id = %(id)s",
        id=participant_id,
    )
    clients = {
        Upstream.NK: desk.clients.nk,
        Upstream.TRUE_API: desk.clients.true_api,
        Upstream.SUZ: desk.clients.suz,
    }
    return {
        "participant_id": participant_id,
        "signer_kind": participant.signer_kind,
        "profile": desk.terms.marking_flow_profile,
        "environment": desk.terms.chz_environment,
        "tokens": await tokens.statuses(desk.database, participant_id),
        "breakers": {str(name): client.breaker_state.name for name, client in clients.items()},
        "limits": limits,
        "slots": slots,
        "balance": await _balance(desk, participant),
        "ping": await _ping(desk, participant),
        "providers": [] if known is None else known["providers"],
    }


async def _balance(desk: Desk, participant: Participant) -> Balance | None:
    client = desk.clients.true_api
    return await _hint(
        desk, participant, Upstream.TRUE_API, ask=lambda by: true_api.balance(client, by)
    )


async def _ping(desk: Desk, participant: Participant) -> dict[str, str | None] | None:
    client = desk.clients.suz
    pong = await _hint(desk, participant, Upstream.SUZ, ask=lambda by: suz.ping(client, by))
    if pong is None:
        return None
    return {"api_version": pong.api_version, "oms_version": pong.oms_version}


async def _hint(
    desk: Desk, participant: Participant, upstream: Upstream, *, ask: Ask[T]
) -> T | None:
    """None when it cannot be asked for now."""
    try:
        async with access_for(desk, participant, upstream) as access:
            return (await ask(access)).value
    except (UpstreamError, SignInRequired):
        return None
