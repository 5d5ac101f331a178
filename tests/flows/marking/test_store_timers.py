"""Limits shared by workers, fair polls, and what the clock makes happen once."""

import asyncio
import itertools

import msgspec
import pytest
from prometheus_client import REGISTRY

from app.integrations.errors import Upstream
from app.marking.due_polls import publish_due_polls, return_polls
from app.marking.escalations import escalate, remind_signers, warn_of_expiry
from app.marking.gauges import measure
from app.marking.ids import new_id
from app.marking.limits import SharedLimiter
from app.marking.polls import end_poll, ensure_poll, jittered_ms
from app.marking.queue import publish_outbox
from app.marking.renewals import renew_tokens
from app.marking.terms import Terms
from app.marking.work import WorkMessage
from tests.flows.marking.rig import SCALE, Rig

SUZ, NK = Upstream.SUZ, Upstream.NK


async def test_turns_of_two_workers_are_evenly_spaced(rig: Rig) -> None:
    workers = [SharedLimiter(rig.database, Terms(suz_rps=10)) for _ in range(2)]
    ends: list[float] = []
    for n in range(6):
        await workers[n % 2].turn_s(SUZ, rig.participant_id)
        row = await rig.database.one(
            """select extract(epoch from next_free_at)::float8 as free
               from marking.upstream_limits where upstream = 'suz'"""
        )
        assert row is not None
        ends.append(row["free"])
    assert all(later - earlier > 0.099 for earlier, later in itertools.pairwise(ends))


async def test_a_turn_too_far_away_is_not_taken(rig: Rig) -> None:
    limiter = SharedLimiter(rig.database, Terms(suz_rps=1))
    taken = [await limiter.turn_s(SUZ, rig.participant_id) for _ in range(5)]
    assert sum(wait <= 1.0 for wait in taken) == 2
    assert all(1.0 < wait < 2.1 for wait in taken[2:])


async def test_a_429_holds_every_worker_and_only_this_participant(rig: Rig) -> None:
    first = SharedLimiter(rig.database, Terms())
    second = SharedLimiter(rig.database, Terms())
    await first.turn_s(SUZ, rig.participant_id)
    await first.block(SUZ, rig.participant_id, for_s=30)
    assert 25 < await second.turn_s(SUZ, rig.participant_id) <= 30
    assert await second.turn_s(Upstream.TRUE_API, rig.participant_id) <= 0.01


async def test_the_catalogue_counts_calls_in_a_window(rig: Rig) -> None:
    await rig.database.execute("delete from marking.upstream_limits")
    limiter = SharedLimiter(rig.database, Terms(nk_calls_per_5min=3))
    waits = [await limiter.turn_s(NK, rig.participant_id) for _ in range(4)]
    assert all(wait <= 0.5 for wait in waits[:3])
    assert 290 < waits[3] <= 300


async def test_one_participant_cannot_fill_the_tick(rig: Rig) -> None:
    rig.works = False
    other = new_id()
    await rig.database.execute(
        """insert into marking.participants (id, inn, name, oms_id, oms_connection, signer_kind)
           values (%(id)s, '7700000009', 'other', %(oms)s, %(connection)s, 'browser')""",
        id=other,
        oms=new_id(),
        connection=new_id(),
    )
    async with rig.database.transaction() as tx:
        for participant, count in ((rig.participant_id, 50), (other, 1)):
            for n in range(count):
                await ensure_poll(
                    tx,
                    rig.desk,
                    kind="suz_status",
                    participant_id=participant,
                    subject=f"{participant}-{n}",
                    first_ms=1,
                )
    await asyncio.sleep(0.02)

    assert await publish_due_polls(rig.desk) == 6
    moved = "select count(*) from marking.polls where participant_id = %(id)s and due_at > now()"
    assert await rig.count(moved, id=other) == 1


async def test_a_poll_without_a_free_slot_is_due_again_soon(rig: Rig) -> None:
    rig.works = False
    heard: list[WorkMessage] = []

    async def hear(_topic: str, message: WorkMessage) -> None:
        heard.append(message)

    desk = msgspec.structs.replace(rig.desk, publish=hear)
    async with rig.database.transaction() as tx:
        await ensure_poll(
            tx,
            desk,
            kind="suz_status",
            participant_id=rig.participant_id,
            subject="waits",
            first_ms=1,
        )
    await rig.database.execute("update marking.polls set interval_s = 30, due_at = now()")
    assert await publish_due_polls(desk) == 1
    soon = """select count(*) from marking.polls
              where due_at < clock_timestamp() + interval '2 seconds'"""
    assert await rig.count(soon) == 0

    late = msgspec.structs.replace(heard[0], passes=(heard[0].passes or 0) + 1)
    await return_polls(desk, [late])
    assert await rig.count(soon) == 0
    await return_polls(desk, heard)
    assert await rig.count(soon) == 1


async def test_a_poll_that_ends_does_not_take_new_work_away(rig: Rig) -> None:
    rig.works = False
    person = rig.participant_id
    async with rig.database.transaction() as tx:
        poll = await ensure_poll(
            tx, rig.desk, kind="documents", participant_id=person, subject=person
        )
        passes = int(await tx.value("select passes from marking.polls where id = %(id)s", id=poll))
        await ensure_poll(tx, rig.desk, kind="documents", participant_id=person, subject=person)
        assert await end_poll(tx, poll, passes=passes) is False
        assert await end_poll(tx, poll, passes=passes + 1) is True


def test_the_jitter_stays_within_a_tenth_and_depends_on_the_subject() -> None:
    spread = {jittered_ms(1_000, f"subject-{n}") for n in range(200)}
    assert min(spread) >= 900
    assert max(spread) <= 1_100
    assert len(spread) > 100


async def test_an_order_without_an_answer_is_escalated_once_and_goes_on(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "stay", state="PENDING", for_s=100_000)
    order = await rig.start(5)
    await rig.until_status(order, "EMITTING")
    await rig.database.execute(
        "update marking.orders set waited_s = 3660 where id = %(id)s", id=order
    )

    assert await escalate(rig.desk) == 1
    assert await escalate(rig.desk) == 0
    row = await rig.order(order)
    assert row.status == "EMITTING"
    assert row.escalated_at is not None
    told = "select count(*) from marking.notifications where kind = 'order.escalated'"
    assert await rig.count(told) == 1


async def test_codes_about_to_burn_are_told_four_times(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "status", status=400, times=0)
    order = await rig.start(5)
    await rig.until(lambda row: row.hold is not None, order)
    told = 0
    for days in (29, 13, 6, 0.5):
        await rig.database.execute(
            """update marking.buffers
               set expires_at = clock_timestamp() + %(days)s * interval '1 day'""",
            days=days / SCALE,
        )
        told += await warn_of_expiry(rig.desk)
        assert await warn_of_expiry(rig.desk) == 0
    assert told == 4


async def test_a_token_near_its_end_is_renewed_by_an_automatic_signer(rig: Rig) -> None:
    rig.works = False
    await rig.start(5)
    await rig.database.execute(
        "update marking.tokens set expires_at = clock_timestamp() + interval '10 seconds'"
    )

    assert await renew_tokens(rig.desk) == 2
    assert await renew_tokens(rig.desk) == 0


async def test_a_person_is_told_of_the_end_of_a_session_once_per_mark(rig: Rig) -> None:
    rig.works = False
    await rig.start(5)
    await rig.database.execute("update marking.participants set signer_kind = 'browser'")
    for left in (170, 170, 85, 25):
        await rig.database.execute(
            """update marking.tokens
               set expires_at = clock_timestamp() + %(left)s * interval '1 second'
               where kind = 'suz'""",
            left=left,
        )
        await renew_tokens(rig.desk)
    told = "select count(*) from marking.notifications where kind = 'token.expiring'"
    assert await rig.count(told) == 3


async def test_a_waiting_signature_is_reminded_of_twice(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(5)
    await rig.database.execute("update marking.participants set signer_kind = 'browser'")
    rig.works = True
    await rig.until_status(order, "DOC_SIGNING")
    for age in (0, 200, 200, 5_000):
        await rig.database.execute(
            """update marking.sign_requests
               set created_at = clock_timestamp() - %(age)s * interval '1 second'
               where order_id is not null""",
            age=age,
        )
        await remind_signers(rig.desk)
    told = "select count(*) from marking.notifications where kind = 'sign_request.waits'"
    assert await rig.count(told) == 4


async def test_gauges_tell_what_the_database_holds(rig: Rig) -> None:
    rig.works = False
    await rig.start(5)
    await measure(rig.desk)
    assert (
        REGISTRY.get_sample_value("marking_orders", {"status": "INIT", "profile": "document_first"})
        == 1
    )
    left = REGISTRY.get_sample_value("marking_token_left_seconds", {"kind": "suz"})
    assert left is not None
    assert left > 0


async def test_what_people_are_called_for_is_told(rig: Rig) -> None:
    async def broken(_topic: str, _key: bytes, _value: bytes) -> None:
        raise ConnectionError

    rig.works = False
    await rig.start(5)
    await rig.database.execute(
        "update marking.outbox set created_at = clock_timestamp() - interval '10 minutes'"
    )
    await rig.database.execute("update marking.tokens set renewal_stopped = kind = 'suz'")
    for kind in ("foreign", "given_up"):
        await rig.database.execute(
            """insert into marking.suz_orphans (suz_order_id, participant_id, kind)
               values (%(id)s, %(participant)s, %(kind)s)""",
            id=new_id(),
            participant=rig.participant_id,
            kind=kind,
        )
    with pytest.raises(ConnectionError):
        await publish_outbox(rig.desk, broken)

    await measure(rig.desk)

    age = REGISTRY.get_sample_value("marking_outbox_age_seconds")
    assert age is not None
    assert age > 300
    assert REGISTRY.get_sample_value("marking_renewals_stopped") == 1
    assert REGISTRY.get_sample_value("marking_foreign_orders") == 1
