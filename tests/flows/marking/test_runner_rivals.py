"""Two workers, restored databases, stolen tokens, full stations: who may do what, once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.marking.order import Hold
from app.marking import calls, leases, participants, store, tokens
from app.marking.calls import ClaimRefused
from app.marking.desk import Desk
from app.marking.polling import poll
from app.marking.queue import feed, publish_outbox
from app.marking.runner import Runner, advance
from app.marking.sign_in import AuthService
from app.marking.tokens import TokenKind
from app.marking.work import WorkMessage
from tests.flows.marking.rig import Rig, SandboxSigners, open_desk, playing_worker

SUZ = TokenKind.SUZ


@contextlib.asynccontextmanager
async def rival(rig: Rig, dsn: str, sandbox: str, **terms: Any) -> AsyncIterator[Desk]:
    """Another worker on the same database."""

    async def publish(_topic: str, _message: WorkMessage) -> None:
        return

    desk = await open_desk(
        dsn,
        sandbox,
        signers=SandboxSigners(rig.player),
        publish=publish,
        owner="w2/1",
        **terms,
    )
    try:
        yield desk
    finally:
        await desk.clients.close()
        await desk.database.close()


async def test_a_claim_of_a_passed_lease_sends_nothing(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    first = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=1)
    await asyncio.sleep(0.01)
    second = await leases.take_lease(rig.database, order, owner="w2/1", for_ms=10_000)
    assert first is not None
    assert second is not None

    async with rig.database.transaction() as tx:
        with pytest.raises(ClaimRefused):
            await calls.claim(tx, first, "00000000-0000-0000-0000-000000000000", body_sha256=b"")


async def test_a_restored_database_adopts_the_order_it_has_forgotten(rig: Rig) -> None:
    order = await rig.start(20)
    await rig.until_status(order, "EMITTING", "COLLECTING")
    rig.works = False
    await rig.runner.idle()
    await forget_answer(rig, order)
    rig.desk.compared.clear()
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=60)

    assert rig.posted("suz.create_order") == 1
    rig.player.assert_clean()


async def forget_answer(rig: Rig, order: str) -> None:
    """Back to the moment before the station's answer was written."""
    async with rig.database.transaction() as tx:
        await tx.execute("delete from marking.polls where kind in ('suz_list', 'suz_status')")
        await tx.execute(
            """update marking.suz_orders set suz_order_id = null, remote_status = null,
                   seen_at = null"""
        )
        await tx.execute(
            """update marking.buffers set remote_status = null, seen_at = null,
                   status = 'WAITING'"""
        )
        await tx.execute(
            """update marking.calls set state = 'PLANNED', remote_id = null, claimed_at = null
               where operation = 'create_order'"""
        )
        await tx.execute("delete from marking.calls where operation = 'fetch_codes'")
        await tx.execute(
            """update marking.orders set status = 'SUZ_SENDING', due_at = now()
               where id = %(id)s""",
            id=order,
        )


async def test_a_full_station_makes_orders_wait_and_is_never_overfilled(
    dsn: str, sandbox: str
) -> None:
    terms: dict[str, Any] = {"suz_max_queued_orders": 2, "limit_wait_s": 10}
    async with playing_worker(dsn, sandbox, inn="7700000048", **terms) as rig:
        rig.player.control("PUT", "/switches", {"limits": {"queued_orders": 2}})
        orders = [await rig.start(5) for _ in range(5)]

        for order in orders:
            await rig.until_status(order, "COMPLETED", within_s=90)

        refused = [e for e in rig.player.journal("suz.create_order") if e["status"] != 200]
        assert refused == []
        assert rig.posted("suz.create_order") == 5


async def test_a_token_stolen_at_once_stops_renewal_until_a_person_signs_in(
    dsn: str, sandbox: str
) -> None:
    terms: dict[str, Any] = {"refused_at_once_s": 3_600}
    async with playing_worker(dsn, sandbox, inn="7700000048", **terms) as rig:
        orders = [await rig.start(5) for _ in range(3)]
        await rig.until_status(orders[0], "EMITTING")
        rig.player.control("POST", "/tokens", {"action": "steal", "kind": "suz"})

        held = await rig.until(lambda row: row.hold == "attention", orders[0])
        assert held.hold_detail is not None
        assert held.hold_detail["code"] == "two-programs"
        signed = rig.posted("true_api.sign_in_suz")
        for _ in range(10):
            await rig.tick()
        assert rig.posted("true_api.sign_in_suz") == signed

        await AuthService(rig.desk).issue_tokens(rig.participant_id, rig.user_id, person=True)
        for order in orders:
            await rig.until_status(order, "COMPLETED", within_s=60)


async def test_who_is_told_to_wait_while_somebody_signs_in_looks_again(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(5)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=60_000)
    assert lease is not None
    await AuthService(rig.desk).issue_tokens(rig.participant_id, rig.user_id, person=True)
    async with rig.database.transaction() as tx:
        await store.set_hold(tx, lease, Hold.SIGN_IN, detail={"code": "sign-in-required"})
    await leases.release(rig.database, lease, next_ms=None)
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=60)


async def test_who_missed_a_token_that_came_meanwhile_does_not_sign_in_again(rig: Rig) -> None:
    await rig.forget_tokens()
    participant = await participants.load(rig.database, rig.participant_id, sealer=rig.desk.sealer)
    assert participant is not None
    auth, missed = AuthService(rig.desk), await tokens.read(rig.database, participant.id, SUZ)
    answers = [
        await auth.sign_in_by_itself(participant, SUZ, replacing=missed.seq) for _ in range(2)
    ]
    assert answers == [True, False]
    assert rig.posted("true_api.sign_in_suz") == 1


async def test_twenty_orders_sign_in_once(rig: Rig) -> None:
    rig.works = False
    orders = [await rig.start(2) for _ in range(20)]
    await rig.forget_tokens()
    before = rig.posted("true_api.sign_in_suz")
    rig.works = True

    for order in orders:
        await rig.until_status(order, "COMPLETED", within_s=90)

    assert rig.posted("true_api.sign_in_suz") == before + 1


async def test_a_worker_that_is_stopped_leaves_its_call_doubtful(dsn: str, sandbox: str) -> None:
    async with playing_worker(dsn, sandbox, inn="7700000055", marking_drain_s=0.2) as rig:
        rig.player.control("POST", "/faults", {"operation": "suz.create_order", "action": "gate"})
        order = await rig.start(10)
        await rig.until_gate(order)
        await rig.runner.stop()
        row = await rig.database.one(
            """select c.state, o.lease_owner from marking.calls c
               join marking.orders o on o.id = c.order_id where c.operation = 'create_order'"""
        )
        assert row == {"state": "UNKNOWN", "lease_owner": None}
        rig.player.control("DELETE", "/faults")
        rig.release_gates()
        rig.runner = Runner(rig.desk)

        await rig.until_status(order, "COMPLETED", within_s=60)
        assert rig.posted("suz.create_order") == 1
        rig.player.assert_clean()


async def test_a_poll_delivered_twice_asks_once(rig: Rig) -> None:
    order = await rig.start(10)
    await rig.until_status(order, "EMITTING")
    rig.works = False
    await rig.runner.idle()
    row = await rig.database.one("select * from marking.polls where kind = 'suz_list'")
    assert row is not None
    message = WorkMessage(
        message_id="m",
        task="poll_suz_list",
        order_id=rig.participant_id,
        subject_id=row["id"],
        enqueued_at=0,
        passes=row["passes"],
    )
    before = rig.posted("suz.order_list")

    await asyncio.gather(poll(rig.desk, message), poll(rig.desk, message))
    await poll(rig.desk, message)

    assert rig.posted("suz.order_list") == before + 1


async def test_events_come_once_and_in_order(rig: Rig) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    sent: list[tuple[str, bytes]] = []

    async def produce(topic: str, _key: bytes, value: bytes) -> None:
        sent.append((topic, value))

    await asyncio.gather(*(publish_outbox(rig.desk, produce) for _ in range(3)))
    await publish_outbox(rig.desk, produce)

    events = await feed(rig.desk, after=0, limit=200)
    numbers = [event.feed_seq for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    kinds = [event.value["kind"] for event in events]
    assert kinds[0] == "marking.order.init"
    assert kinds[-1] in {"marking.order.completed", "marking.stock_changed"}
    assert len({event.value["event_id"] for event in events}) == len(events)


async def test_an_answer_after_absence_is_kept_and_shown(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "gate", when="after")
    order = await rig.start(10)
    await rig.until_gate(order)
    await rig.database.execute(
        """update marking.calls set state = 'ABSENT' where operation = 'create_order'"""
    )
    rig.release_gates()
    await rig.runner.idle()

    row = await rig.order(order)
    assert row.hold == "attention"
    call = await rig.database.one(
        """select c.state, s.suz_order_id = c.remote_id as ours from marking.calls c
           join marking.suz_orders s on s.id::text = c.subject_id"""
    )
    assert call == {"state": "FOUND", "ours": True}
    assert rig.posted("suz.create_order") == 1


async def work_together(rig: Rig, other: Desk, orders: list[str]) -> set[str]:
    """Both workers at all orders until they have ended; those that did not."""
    left = set(orders)
    for _ in range(400):
        await asyncio.gather(rig.tick(), *(advance(other, order) for order in left))
        left = {order for order in left if (await rig.order(order)).status != "COMPLETED"}
        if not left:
            break
        await asyncio.sleep(0.02)
    return left


async def test_two_workers_make_one_of_everything(rig: Rig, dsn: str, sandbox: str) -> None:
    async with rival(rig, dsn, sandbox) as other:
        orders = [await rig.start(20) for _ in range(5)]
        left = await work_together(rig, other, orders)
    assert left == set()
    assert rig.posted("suz.create_order") == rig.posted("true_api.submit_document") == 5
    assert await rig.count("select count(*) from marking.codes") == 100
    rig.player.assert_clean()
