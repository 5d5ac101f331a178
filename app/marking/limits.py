"""Turns at the foreign systems, shared by all workers through one row per participant."""

import msgspec

from app.integrations.errors import Upstream
from app.integrations.limits import LONGEST_WAIT_S
from app.marking.database import Database
from app.marking.terms import Terms

NK_GAP_S = 0.1
NK_WINDOW_S = 300
NO_LIMIT = 1_000_000_000

_TAKE = """
with free as (
    select participant_id, upstream,
           window_start is null or window_start + %(window)s * interval '1 second' <= t.now
               as opens,
           greatest(t.now, next_free_at, coalesce(blocked_until, t.now),
               case when window_calls >= %(most)s
                    then window_start + %(window)s * interval '1 second' else t.now end) as start,
           t.now
    from marking.upstream_limits, (select clock_timestamp() as now) t
    where participant_id = %(participant)s and upstream = %(upstream)s
    for update of upstream_limits
)
update marking.upstream_limits l
set next_free_at = free.start + %(gap)s * interval '1 second',
    window_start = case when free.opens then free.start else l.window_start end,
    window_calls = case when free.opens then 1 else l.window_calls + 1 end
from free
where l.participant_id = free.participant_id and l.upstream = free.upstream
      and free.start <= free.now + %(longest)s * interval '1 second'
returning extract(epoch from free.start - free.now)::float8 as wait_s
"""
_FAR = """
select extract(epoch from greatest(next_free_at, coalesce(blocked_until, next_free_at),
           case when window_calls >= %(most)s
                then window_start + %(window)s * interval '1 second' else next_free_at end)
       - clock_timestamp())::float8 as wait_s
from marking.upstream_limits where participant_id = %(participant)s and upstream = %(upstream)s
"""


class SharedPace(msgspec.Struct, frozen=True):
    gap_s: float
    most_in_window: int = NO_LIMIT
    window_s: float = NK_WINDOW_S


def paces(terms: Terms) -> dict[Upstream, SharedPace]:
    return {
        Upstream.NK: SharedPace(
            terms.scaled_s(NK_GAP_S), terms.nk_calls_per_5min, terms.scaled_s(NK_WINDOW_S)
        ),
        Upstream.TRUE_API: SharedPace(terms.scaled_s(1 / terms.true_api_rps)),
        Upstream.SUZ: SharedPace(terms.scaled_s(1 / terms.suz_rps)),
    }


class SharedLimiter:
    """Evenly spaced calls of all workers; a 429 anywhere holds all of them."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database = database
        self._paces = paces(terms)

    async def turn_s(self, upstream: Upstream, participant_id: str) -> float:
        """Take the next turn: seconds until it, or more than LONGEST_WAIT_S and none taken."""
        pace = self._paces[upstream]
        named = {
            "participant": participant_id,
            "upstream": str(upstream),
            "most": pace.most_in_window,
            "window": pace.window_s,
        }
        async with self._database.transaction() as tx:
            await tx.execute(
                """insert into marking.upstream_limits (participant_id, upstream, next_free_at)
                   values (%(participant)s, %(upstream)s, clock_timestamp())
                   on conflict do nothing""",
                **named,
            )
            taken = await tx.one(_TAKE, **named, gap=pace.gap_s, longest=LONGEST_WAIT_S)
            if taken is not None:
                return float(taken["wait_s"])
            far = await tx.value(_FAR, **named)
            return max(float(far), LONGEST_WAIT_S + 0.001)

    async def block(self, upstream: Upstream, participant_id: str, *, for_s: float) -> None:
        await self._database.execute(
            """update marking.upstream_limits
               set blocked_until = greatest(coalesce(blocked_until, clock_timestamp()),
                       clock_timestamp() + %(for_s)s * interval '1 second')
               where participant_id = %(participant)s and upstream = %(upstream)s""",
            for_s=for_s,
            participant=participant_id,
            upstream=str(upstream),
        )
