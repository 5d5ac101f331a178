"""What is read beside an order and stops none: stale cards, code printers, money left."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from app.integrations import suz, true_api
from app.integrations.errors import Upstream, UpstreamError
from app.marking import audit
from app.marking.access import access_for
from app.marking.cards import cards_for
from app.marking.database import as_json
from app.marking.desk import Desk
from app.marking.errors import MarkingError
from app.marking.participants import Participant

STALE_S = 86_400
LOW = "На счёте товарной группы нет средств: пополните его, иначе СУЗ не выдаст коды."
log = structlog.get_logger("marking")


async def refresh(desk: Desk, participant: Participant, gtins: Sequence[str]) -> None:
    """Before an order; whatever cannot be read now is read with the next one."""
    parts: dict[str, Callable[[], Awaitable[object]]] = {
        "stale cards": lambda: cards_for(desk, participant, gtins),
        "providers": lambda: refresh_providers(desk, participant),
        "balance": lambda: warn_of_balance(desk, participant),
    }
    for name, part in parts.items():
        try:
            await part()
        except (UpstreamError, MarkingError) as error:
            cause = type(error).__name__
            log.info("read later", what=name, participant=participant.id, cause=cause)


async def refresh_providers(desk: Desk, participant: Participant) -> None:
    """Once a day: who may print codes for this station."""
    fresh = await desk.database.one(
        """select 1 from marking.reference_data where participant_id = %(id)s
               and providers_at > clock_timestamp() - %(stale)s * interval '1 millisecond'""",
        id=participant.id,
        stale=desk.terms.scaled_ms(STALE_S),
    )
    if fresh is not None:
        return
    async with access_for(desk, participant, Upstream.SUZ) as access:
        answer = await suz.providers(desk.clients.suz, access)
    await desk.database.execute(
        """insert into marking.reference_data (participant_id, providers, providers_at)
           values (%(id)s, %(list)s, clock_timestamp())
           on conflict (participant_id) do update
               set providers = excluded.providers, providers_at = excluded.providers_at""",
        id=participant.id,
        list=as_json([msgspec.structs.asdict(one) for one in answer.value.providers]),
    )


async def warn_of_balance(desk: Desk, participant: Participant) -> None:
    """People are told once a day that nothing is left."""
    async with access_for(desk, participant, Upstream.TRUE_API) as access:
        left = (await true_api.balance(desk.clients.true_api, access)).value.balance
    if left is None or left > 0:
        return
    async with desk.database.transaction() as tx:
        told = await tx.execute(
            """insert into marking.reference_data as r (participant_id, balance_told_at)
               values (%(id)s, clock_timestamp())
               on conflict (participant_id) do update set balance_told_at = clock_timestamp()
                   where r.balance_told_at is null or r.balance_told_at
                         < clock_timestamp() - %(apart)s * interval '1 millisecond'""",
            apart=desk.terms.scaled_ms(STALE_S),
            id=participant.id,
        )
        if told:
            await audit.notify(tx, participant.id, kind="balance.low", text=LOW)
