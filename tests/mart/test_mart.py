"""The mart: whatever comes, however often, the tables say what the ledger said."""

import random
from typing import Any

import psycopg2
import pytest

from app.certificates.database import Database, Row, StorageUnavailable
from app.certificates.mart import Mart, NewerEvent
from app.certificates.mart_views import MartViews
from app.contracts.topics import BI, STATE
from app.domain.certificates.commands import (
    Authorize,
    CancelRefund,
    IssueCertificate,
    LineReport,
    RefundUpdate,
    RequestRefund,
)
from tests.domain.certificates.order_town import entries, payment, sale, sold
from tests.mart.told import Law, Record, a_life, call, dump, taken


@pytest.fixture
def mart(database: Database) -> Mart:
    return Mart(database)


async def test_a_certificate_and_its_operations_stand_in_the_tables(
    database: Database, mart: Mart
) -> None:
    law = Law()
    a_life(law, metadata='{"design":"birch"}')
    await taken(mart, law.records)
    row = await database.one("SELECT * FROM mart.certificate")
    assert row is not None
    assert (row["lifecycle"], row["available"], row["captured"]) == ("Active", 2_000, 1_000)
    assert row["metadata"] == {"design": "birch"}
    assert row["issued_at"] < row["activated_at"] < row["last_operation_at"]
    operations = await database.rows("SELECT * FROM mart.operation ORDER BY sequence, n")
    types = [operation["transaction_type"] for operation in operations]
    assert types == ["Issued", "Allocated", "Activated", "Authorized", "Captured"]
    moved = sum(o["d_available"] + o["d_held"] + o["d_refund_held"] for o in operations)
    assert moved == row["balance"] == 2_000
    assert (operations[-1]["store_id"], operations[-1]["receipt_number"]) == ("S17", "4711")


async def test_batches_of_any_size_repeated_in_any_order_of_topics_end_the_same(
    database: Database, mart: Mart
) -> None:
    law = Law()
    for n in range(1, 8):
        a_life(law, f"gc_{n}")
    law.tell("SO-1", sale(1, sold("1", "gc_1")), payment(settled=True))
    await taken(mart, law.records)
    first = await dump(database)
    assert all(first[table] for table in first if table != "mart.refund_request")
    rng = random.Random(7)
    for size in (1, 3, 1_000):
        again = list(law.records)
        start = rng.randrange(len(again))
        await taken(mart, again[start:] + again[:start], size=size)
        assert await dump(database) == first


async def test_an_older_state_never_replaces_a_newer_one(database: Database, mart: Mart) -> None:
    law = Law()
    a_life(law)
    states = law.of(STATE)
    for record in reversed(states):
        await mart.take(STATE, [record])
    row = await database.one("SELECT sequence, lifecycle FROM mart.certificate")
    assert row == {"sequence": len(states), "lifecycle": "Active"}


async def test_every_line_of_a_sale_stands_in_the_table_of_allocations(
    database: Database, mart: Mart
) -> None:
    law = Law()
    paid = payment(of=entries(l1=3_000, l2=1_000), settled=False)
    law.tell("SO-1", sale(1, sold("1", "gc_1"), sold("2", "gc_2")), paid)
    law.tell("SO-1", LineReport("1", 1, "allocate", "gc_1", None))
    law.tell("SO-1", LineReport("2", 1, "allocate", "gc_2", "CodeAlreadySold"))
    await taken(mart, law.records)
    rows = await database.rows(
        "SELECT order_line_id, certificate_id, paid, allocation_status, refusal"
        " FROM mart.order_certificate_allocation WHERE order_id = 'SO-1' ORDER BY order_line_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1", "gc_1", 3_000, "Paid", None),
        ("2", "gc_2", 1_000, "Refused", "CodeAlreadySold"),
    ]


async def test_a_refund_is_followed_to_its_end(database: Database, mart: Mart) -> None:
    law = Law()
    a_life(law)
    ask = RequestRefund("POS", "Cash", None, None, None, None, call("request_refund"))
    law.tell("gc_1", ask)
    await taken(mart, law.records)
    row = await database.one("SELECT refund_request_id, status, amount FROM mart.refund_request")
    assert row is not None
    assert (row["status"], row["amount"]) == ("Requested", 2_000)
    name = row["refund_request_id"]
    settled = RefundUpdate(name, 1, "RefundSettled", 1, law.now, 2_000, None, "RRN-1")
    law.tell("gc_1", settled, CancelRefund(name, "too late", call("cancel_refund")))
    await taken(mart, law.records)
    row = await database.one(
        "SELECT status, provider_reference, closed_at FROM mart.refund_request"
    )
    assert row is not None
    assert (row["status"], row["provider_reference"]) == ("Settled", "RRN-1")
    refused = await database.rows("SELECT command, code FROM mart.audit WHERE outcome = 'refused'")
    assert refused == [{"command": "CancelRefund", "code": "RefundNotOpen"}]


async def test_who_did_it_is_kept_and_cannot_be_changed(database: Database, mart: Mart) -> None:
    law = Law()
    a_life(law)
    await taken(mart, law.records)
    rows = await database.rows("SELECT client, actor, command FROM mart.audit ORDER BY event_id")
    assert {"client": "till", "actor": "cashier-5", "command": "Capture"} in rows
    for change in ("UPDATE mart.audit SET actor = 'x'", "DELETE FROM mart.audit"):
        with pytest.raises(psycopg2.Error, match="append-only"):
            async with database.transaction() as tx:
                await tx.execute(change)
    kept = await database.rows("SELECT client, actor, command FROM mart.audit ORDER BY event_id")
    assert kept == rows


async def test_the_outcome_of_the_highest_attempt_of_a_row_counts(
    database: Database, mart: Mart
) -> None:
    law = Law()
    issue = ("R6N4", False, 3_000, "RUB", None, None, None, None, "B-1", 1, 5)
    law.tell("gc_5", IssueCertificate(*issue, 1), IssueCertificate(*issue, 2))
    told = law.of(BI)
    for records in (told, list(reversed(told)), told[:1]):
        await mart.take(BI, records)
        (row,) = await database.rows("SELECT attempt, outcome FROM certificates.batch_row")
        assert row == {"attempt": 2, "outcome": "duplicate"}


async def test_a_zero_character_in_metadata_stops_nobody(database: Database, mart: Mart) -> None:
    law = Law()
    a_life(law, metadata='{"note":"a\\u0000b"}')
    await taken(mart, law.records)
    row = await database.one("SELECT metadata FROM mart.certificate")
    assert row == {"metadata": {"note": "a\N{REPLACEMENT CHARACTER}b"}}


async def test_an_unreadable_record_is_told_and_the_others_are_written(
    database: Database, mart: Mart
) -> None:
    law = Law()
    a_life(law)
    states = [Record(STATE, 0, b"x", b"{"), *law.of(STATE), Record(STATE, 9, b"x", None)]
    assert await mart.take(STATE, states) == 1
    assert len(await database.rows("SELECT FROM mart.certificate")) == 1


async def test_a_newer_event_is_left_to_a_newer_mart(mart: Mart) -> None:
    law = Law()
    a_life(law)
    (first, *_) = law.of(STATE)
    assert first.value is not None
    newer = Record(STATE, 0, b"x", first.value.replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(NewerEvent):
        await mart.take(STATE, [newer])


async def test_without_a_database_nothing_is_written_and_it_says_so() -> None:
    law = Law()
    a_life(law)
    for dsn in (None, "postgresql://nobody:x@127.0.0.1:1/none"):
        with pytest.raises(StorageUnavailable):
            await Mart(Database(dsn)).take(STATE, law.of(STATE))


class Overtaken(Database):
    """The mart moves on between one read and the next."""

    later: tuple[Record, ...] = ()

    async def rows(self, sql: str, **parameters: Any) -> list[Row]:
        found = await super().rows(sql, **parameters)
        later, self.later = self.later, ()
        await taken(Mart(self), later)
        return found


async def test_what_comes_after_the_rows_were_read_is_not_promised(
    mart: Mart, postgres: str
) -> None:
    law = Law()
    a_life(law)
    await taken(mart, law.records)
    known, at = len(law.records), law.at
    law.tell("gc_1", Authorize(1, "RUB", "ref-late", False, 600, call("authorize", 2)))
    database = Overtaken(postgres)
    database.later = tuple(law.records[known:])
    views = MartViews(database)
    first = await views.operations("gc_1", after=(0, -1), limit=100)
    second = await views.operations("gc_1", after=(0, -1), limit=100)
    await database.close()
    assert [len(one["operations"]) for one in (first, second)] == [5, 6]
    assert [first["asOf"], second["asOf"]] == [at, law.at]


async def test_what_is_owed_is_the_sum_of_all_movements(database: Database, mart: Mart) -> None:
    law = Law()
    for n in (1, 2, 3):
        a_life(law, f"gc_{n}")
    await taken(mart, law.records)
    (owed,) = await database.rows(
        "SELECT product_id, balance, certificates FROM mart.liability"
        " WHERE day = (SELECT max(mart.local_day(occurred_at)) FROM mart.operation)"
    )
    assert owed == {"product_id": "GC-3000", "balance": 6_000, "certificates": 3}
    (spent,) = await database.rows(
        "SELECT store_id, captured, net, operations FROM mart.redemption"
    )
    assert spent == {"store_id": "S17", "captured": 3_000, "net": 3_000, "operations": 3}
