"""Rows that must not lie: seals, the audit log, blocks, leases of operators."""

import secrets

import msgspec
import psycopg2
import pytest

from app.domain.marking.order import Hold, OrderStatus
from app.integrations.suz_answers import Buffer, BufferWord, CodesBlock
from app.marking import leases, retention, rotation, store
from app.marking.collecting import Place, store_block
from app.marking.database import NOW_MS, raw
from app.marking.errors import OrderStateError
from app.marking.observing import Seen, apply, station_row
from app.marking.rotation import WrongKeys, require_known_keys, seal_anew
from app.marking.sealing import SealBroken, Sealer, apikey_place, call_place
from app.marking.store import Change
from app.marking.timers import FIVE_YEARS, keep_house
from tests.flows.marking.rig import Rig

OLD, NEW = b"k" * 32, b"n" * 32


def test_a_sealed_value_opens_only_in_its_own_row() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", place="tokens:a:suz")
    assert sealer.open(sealed, place="tokens:a:suz") == b"secret"
    with pytest.raises(SealBroken):
        sealer.open(sealed, place="tokens:b:suz")
    with pytest.raises(SealBroken):
        Sealer([NEW]).open(sealed, place="tokens:a:suz")
    with pytest.raises(SealBroken):
        sealer.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), place="tokens:a:suz")


def test_a_former_key_still_opens_and_the_first_one_seals() -> None:
    sealed = Sealer([OLD]).seal(b"secret", place="p")
    both = Sealer([NEW, OLD])
    assert both.open(sealed, place="p") == b"secret"
    assert Sealer([NEW]).open(both.seal(b"x", place="p"), place="p") == b"x"


async def test_a_process_without_the_key_refuses_to_start(rig: Rig) -> None:
    assert await require_known_keys(rig.database, Sealer([OLD])) is True
    assert await require_known_keys(rig.database, Sealer([NEW, OLD])) is False
    with pytest.raises(WrongKeys):
        await require_known_keys(rig.database, Sealer([NEW]))


async def test_rotation_seals_every_row_anew(rig: Rig) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    await require_known_keys(rig.database, Sealer([OLD]))

    await seal_anew(rig.database, Sealer([NEW, OLD]))

    alone = Sealer([NEW])
    row = await rig.database.one("select id, nk_apikey_enc from marking.participants")
    assert row is not None
    assert alone.open(raw(row["nk_apikey_enc"]), place=apikey_place(row["id"]))
    assert await seal_anew(rig.database, alone) == 0
    assert await require_known_keys(rig.database, alone) is False


async def test_the_older_key_is_needed_until_its_last_row_is_sealed_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    await require_known_keys(rig.database, Sealer([OLD]))
    monkeypatch.setattr(rotation, "MOST_A_NIGHT", 1)
    both, alone = Sealer([NEW, OLD]), Sealer([NEW])

    assert await seal_anew(rig.database, both) > 0
    with pytest.raises(WrongKeys):
        await require_known_keys(rig.database, alone)

    while await seal_anew(rig.database, both):
        pass
    assert await require_known_keys(rig.database, alone) is False


async def test_one_buffer_tells_nothing_of_the_state_of_its_order(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "stay", state="PENDING", for_s=100_000)
    order = await rig.start(5, 6)
    await rig.until_status(order, "EMITTING")
    both = [Buffer(gtin, BufferWord("CLOSED")) for gtin in rig.gtins(2)]
    later = await rig.count(f"select {NOW_MS} + 60000 as later")

    async def shown(buffers: list[Buffer], at: int) -> str:
        async with rig.database.transaction() as tx:
            row = await station_row(tx, order)
            await apply(tx, row["id"], Seen(at, buffers))
            return str((await station_row(tx, order))["remote_status"])

    assert await shown(both[:1], later) != "CLOSED"
    assert await shown(both, later + 1) == "CLOSED"


@pytest.mark.parametrize(
    "statement",
    [
        "update marking.audit_log set action = 'x'",
        "delete from marking.audit_log",
        "truncate marking.audit_log",
    ],
)
async def test_the_audit_log_is_only_appended(rig: Rig, statement: str) -> None:
    rig.works = False
    await rig.start(5)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        await rig.database.execute(statement)


async def test_audit_partitions_of_the_next_months_exist_once(rig: Rig) -> None:
    await retention.make_audit_partitions(rig.database)
    await retention.make_audit_partitions(rig.database)
    months = """select count(*) from pg_inherits
                where inhparent = 'marking.audit_log'::regclass"""
    assert await rig.count(months) == 5
    await retention.clean(rig.database, retention.Retention())


async def test_a_status_is_written_only_under_its_lease(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(5)
    old = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=1)
    assert old is not None
    row = await rig.order(order)
    async with rig.database.transaction() as tx:
        await store.operator_lease(tx, order, actor="user")

    async with rig.database.transaction() as tx:
        moved = await store.move(tx, old, Change(OrderStatus.CHECKED), row=row)
        held = await store.set_hold(tx, old, Hold.ATTENTION, detail={})

    assert moved is None
    assert held is False
    assert (await rig.order(order)).status == "INIT"


async def test_an_edge_that_is_not_in_the_table_is_refused(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(5)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=1_000)
    assert lease is not None
    row = await rig.order(order)
    async with rig.database.transaction() as tx:
        with pytest.raises(OrderStateError):
            await store.move(tx, lease, Change(OrderStatus.COMPLETED), row=row)


async def place_of(rig: Rig) -> Place:
    order = await rig.start(5)
    await rig.until_status(order, "DOC_CHECKING", "DOC_ACCEPTED", "SUZ_SENDING", "EMITTING")
    rig.works = False
    await rig.runner.idle()
    row = await rig.database.one("select id from marking.suz_orders")
    assert row is not None
    return Place(order, row["id"], "s", rig.gtins(1)[0], 1)


def block(place: Place, count: int, block_id: str = "b-1") -> tuple[CodesBlock, bytes]:
    codes = [
        f"01{place.gtin}215{secrets.token_hex(6)}\x1d91EE12\x1d92{'A' * 44}" for _ in range(count)
    ]
    made = CodesBlock(codes, block_id)
    return made, msgspec.json.encode({"codes": codes, "blockId": block_id})


async def test_a_block_is_stored_once_however_often_it_comes(rig: Rig) -> None:
    place = await place_of(rig)
    made, body = block(place, 3)
    for source in ("codes", "retry", "retry"):
        async with rig.database.transaction() as tx:
            kept = await store_block(
                tx, rig.desk.sealer, place=place, block=made, body=body, source=source
            )
    assert kept.new is False
    assert kept.code is None
    assert await rig.count("select count(*) from marking.codes") == 3


async def test_another_content_under_a_known_block_is_told(rig: Rig) -> None:
    place = await place_of(rig)
    for _ in range(2):
        made, body = block(place, 3)
        async with rig.database.transaction() as tx:
            kept = await store_block(
                tx, rig.desk.sealer, place=place, block=made, body=body, source="codes"
            )
    assert kept.code == "block-changed"
    assert await rig.count("select count(*) from marking.codes") == 3


async def test_a_code_known_from_another_block_is_told_and_kept_once(rig: Rig) -> None:
    place = await place_of(rig)
    made, body = block(place, 3)
    again = CodesBlock(made.codes, "b-2")
    for one in (made, again):
        async with rig.database.transaction() as tx:
            kept = await store_block(
                tx, rig.desk.sealer, place=place, block=one, body=body, source="codes"
            )
    assert kept.code == "code-duplicate"
    assert await rig.count("select count(*) from marking.codes") == 3
    assert await rig.count("select count(*) from marking.code_blocks") == 2


def flat(value: object) -> bytes:
    """A value as bytes, without what JSON puts around quotes."""
    found = bytes(value) if isinstance(value, memoryview) else str(value).encode()
    return found.replace(b"\\", b"")


async def test_nothing_secret_stands_in_the_rows(rig: Rig) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    tails = [c[-44:].encode() for b in rig.player.control("GET", "/ledger") for c in b["codes"]]
    assert len(tails) == 5
    tables = await rig.database.rows("select tablename from pg_tables where schemaname = 'marking'")
    rows = {
        table["tablename"]: await rig.database.rows(f"select * from marking.{table['tablename']}")
        for table in tables
    }
    assert rows["code_blocks"]
    assert rows["audit_log"]
    dump = b"\n".join(flat(v) for found in rows.values() for row in found for v in row.values())
    assert not any(tail in dump for tail in tails)


async def test_answers_are_kept_sealed_for_their_time_but_those_with_codes(rig: Rig) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    rows = await rig.database.rows(
        """select id, operation, answer_enc, remote_id from marking.calls
           where answer_enc is not null"""
    )
    kept = {row["operation"]: row for row in rows}
    assert set(kept) == {"submit_document", "create_order", "close_order"}
    made = kept["create_order"]
    answer = rig.desk.sealer.open_packed(raw(made["answer_enc"]), place=call_place(made["id"]))
    assert msgspec.json.decode(answer)["orderId"] == made["remote_id"]

    old = (
        "update marking.calls set answered_at = now() - interval '91 days' where operation = %(o)s"
    )
    await rig.database.execute(old, o="create_order")
    await keep_house(rig.desk, FIVE_YEARS)
    left = "select count(*) from marking.calls where answer_enc is not null"
    assert await rig.count(left) == 2
