"""Issues: no code leaves twice unasked, and every file is what the blocks hold."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from app.domain.marking.order import Hold
from app.integrations.suz_answers import CodesBlock
from app.marking.collecting import Place, store_block
from app.marking.desk import Desk
from app.marking.errors import IssueFailed, IssueRefused, NotFoundError
from app.marking.ids import new_id
from app.marking.issue_files import content, prepared
from app.marking.issues import GsForm, IssueKind
from app.marking.issuing import Issue, IssueRequest, Label, load_issue, reserve
from app.marking.labels import Goods, PrintJob
from app.marking.press import LabelsFailed, Press, Unprinted
from app.marking.store import load
from app.marking.timers import FIVE_YEARS, keep_house
from tests.clients.printed import codes
from tests.flows.marking.rig import open_desk

GTIN = "04600000000015"
CODES = codes(30)
MALFORMED = CODES[3][:-1]
BLOCKS = (CODES[:12], CODES[12:])


async def _nowhere(_topic: str, _message: object) -> None:
    raise AssertionError("an issue wakes nobody")


@pytest.fixture
async def desk(dsn: str) -> AsyncIterator[Desk]:
    opened = await open_desk(dsn, "http://127.0.0.1:1", signers=None, publish=_nowhere)
    yield opened
    await opened.clients.close()
    await opened.database.close()


@pytest.fixture
async def order_id(desk: Desk) -> str:
    """An order with one line whose codes came in two blocks; number 4 is malformed."""
    participant, order, row = new_id(), new_id(), new_id()
    async with desk.database.transaction() as tx:
        await tx.execute(
            """insert into marking.participants (id, inn, name, oms_id, oms_connection,
                   signer_kind)
               values (%(id)s, '7700000016', 'ООО Пример', %(id)s, %(id)s, 'demo')""",
            id=participant,
        )
        await tx.execute(
            """insert into marking.orders (id, participant_id, origin, profile, status, created_by)
               values (%(id)s, %(participant)s, 'api', 'order_first', 'CLOSED', 'u')""",
            id=order,
            participant=participant,
        )
        await tx.execute(
            """insert into marking.order_lines (order_id, gtin, position, quantity,
                   serial_number_type, card) values (%(id)s, %(gtin)s, 1, 30, 'OPERATOR', '{}')""",
            id=order,
            gtin=GTIN,
        )
        await tx.execute(
            """insert into marking.suz_orders (id, order_id, attempt, production_order_id, body,
                   body_sha256) values (%(id)s, %(order)s, 1, 'mk-1', '', '')""",
            id=row,
            order=order,
        )
        await tx.execute(
            """insert into marking.buffers (suz_order_id, gtin, status, ordered)
               values (%(id)s, %(gtin)s, 'FETCHING', 30)""",
            id=row,
            gtin=GTIN,
        )
    for number, given in enumerate(BLOCKS):
        kept = [MALFORMED if code == CODES[3] else code for code in given]
        block = CodesBlock(kept, f"block-{number}")
        body = msgspec.json.encode({"codes": kept, "blockId": block.block_id})
        place = Place(order, row, new_id(), GTIN, 1)
        async with desk.database.transaction() as tx:
            await store_block(tx, desk.sealer, place=place, block=block, body=body, source="codes")
    return order


def following(count: int, kind: IssueKind = IssueKind.TXT, **how: Any) -> IssueRequest:
    return IssueRequest(kind=kind, gtin=GTIN, next=count, label=Label(**how))


def numbers(first: int, last: int, kind: IssueKind = IssueKind.TXT, **more: Any) -> IssueRequest:
    return IssueRequest(kind=kind, gtin=GTIN, first=first, last=last, **more)


async def reserved(desk: Desk, order_id: str, request: IssueRequest) -> Issue:
    issue = await reserve(desk, order_id, request=request, by="user-1")
    assert await load_issue(desk.database, issue.id) == issue
    return issue


async def file_of(desk: Desk, issue: Issue, press: Any = None) -> bytes:
    chosen = press or Press()
    digest = await prepared(desk, chosen, issue=issue)
    whole = b"".join([chunk async for chunk in content(desk, chosen, issue=issue)])
    assert hashlib.sha256(whole).hexdigest() == digest
    return whole


def lines(whole: bytes) -> list[str]:
    return whole.decode().removesuffix("\n").split("\n")


async def test_next_codes_come_in_their_order_and_never_twice(desk: Desk, order_id: str) -> None:
    first = await reserved(desk, order_id, following(13))
    second = await reserved(desk, order_id, following(17))
    got = [*lines(await file_of(desk, first)), *lines(await file_of(desk, second))]
    assert got == [MALFORMED if code == CODES[3] else code for code in CODES]
    with pytest.raises(IssueRefused, match="только 0"):
        await reserved(desk, order_id, following(1))
    assert (first.count, first.total, len(first.ranges)) == (13, 30, 2)


async def test_ten_at_once_overlap_in_nothing(desk: Desk, order_id: str) -> None:
    issues = await asyncio.gather(*(reserved(desk, order_id, following(3)) for _ in range(10)))
    got = [code for issue in issues for code in lines(await file_of(desk, issue))]
    assert len(set(got)) == 30


async def test_issued_numbers_come_again_only_with_a_reason(desk: Desk, order_id: str) -> None:
    former = await reserved(desk, order_id, following(5))
    with pytest.raises(IssueRefused) as caught:
        await reserved(desk, order_id, numbers(5, 7))
    assert caught.value.errors[0].pointer == "/reason"
    again = await reserved(desk, order_id, numbers(5, 7, reason="порвалась лента"))
    assert again.reissue_of == former.id
    assert lines(await file_of(desk, again)) == list(CODES[4:7])
    counts = await desk.database.rows(
        "select print_count from marking.codes order by block_id, pos limit 8"
    )
    assert [row["print_count"] for row in counts] == [1, 1, 1, 1, 2, 1, 1, 0]
    actions = await desk.database.rows(
        """select action, details from marking.audit_log where action like 'codes.%%issued'
           order by id"""
    )
    assert [row["action"] for row in actions] == ["codes.issued", "codes.reissued"]
    assert actions[1]["details"]["reason"] == "порвалась лента"
    assert actions[1]["details"]["codes_sha256"] == again.codes_sha256
    assert CODES[4][31:] not in str(actions)


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (IssueRequest(kind=IssueKind.TXT, gtin=GTIN), "/next"),
        (IssueRequest(kind=IssueKind.TXT, gtin=GTIN, next=1, first=1, last=2), "/next"),
        (following(0), "/next"),
        (following(31), "/next"),
        (following(2_001, IssueKind.PDF), "/next"),
        (following(150_001), "/next"),
        (numbers(0, 3), "/from"),
        (numbers(3, 2), "/from"),
        (numbers(30, 31), "/to"),
        (numbers(1, 4, IssueKind.PDF), "/from"),
    ],
)
async def test_a_wrong_request_names_its_field_and_reserves_nothing(
    *, desk: Desk, order_id: str, request_: IssueRequest, pointer: str
) -> None:
    with pytest.raises(IssueRefused) as caught:
        await reserve(desk, order_id, request=request_, by="user-1")
    assert caught.value.errors[0].pointer == pointer
    assert await desk.database.rows("select 1 from marking.issues") == []
    assert await desk.database.rows("select 1 from marking.codes where print_count > 0") == []


async def test_an_unknown_line_is_not_found(desk: Desk, order_id: str) -> None:
    wrong = IssueRequest(kind=IssueKind.TXT, gtin="04600000000022", next=1)
    with pytest.raises(NotFoundError):
        await reserve(desk, order_id, request=wrong, by="user-1")
    with pytest.raises(NotFoundError):
        await load_issue(desk.database, new_id())


async def test_a_table_is_written_as_asked(desk: Desk, order_id: str) -> None:
    issue = await reserved(desk, order_id, following(30, IssueKind.CSV, gs=GsForm.TEXT))
    whole = await file_of(desk, issue)
    assert whole.startswith(b'"gtin","serial","ki","code"\r\n')
    assert (whole.count(b"\r\n"), whole.count(b"\x1d")) == (31, 0)


async def test_labels_leave_malformed_codes_out_and_keep_their_numbers(
    desk: Desk, order_id: str
) -> None:
    issue = await reserved(desk, order_id, following(6, IssueKind.PDF, goods=Goods("Майка")))
    printed: list[PrintJob] = []

    class Watching(Press):
        async def print(self, job: PrintJob) -> bytes:
            printed.append(job)
            return await super().print(job)

    press = Watching()
    whole = await file_of(desk, issue, press)
    assert whole.startswith(b"%PDF")
    assert printed[0].numbers == (1, 2, 3, 5, 6, 7)
    assert printed[0].codes == (*CODES[:3], *CODES[4:7])
    assert len(printed) == 1

    await desk.database.execute("update marking.issues set file_until = now()")
    await keep_house(desk, FIVE_YEARS)
    assert await desk.database.rows("select file_enc from marking.issues") == [{"file_enc": None}]
    assert await file_of(desk, issue, press) == whole
    assert len(printed) == 2


async def test_a_pdf_is_kept_sealed(desk: Desk, order_id: str) -> None:
    issue = await reserved(desk, order_id, following(1, IssueKind.PDF))
    await file_of(desk, issue)
    row = await desk.database.one("select file_enc from marking.issues")
    assert row is not None
    assert b"%PDF" not in bytes(row["file_enc"])


async def test_a_symbol_that_reads_wrong_ends_the_issue_and_a_dead_process_does_not(
    desk: Desk, order_id: str
) -> None:
    class Failing(Press):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self._kind = kind

        async def print(self, job: PrintJob) -> bytes:
            del job
            raise LabelsFailed(Unprinted(self._kind, "code 1: other bytes"))

    issue = await reserved(desk, order_id, following(1, IssueKind.PDF))
    for kind, state in (("broken", "READY"), ("mismatch", "FAILED")):
        with pytest.raises(IssueFailed):
            await prepared(desk, Failing(kind), issue=issue)
        assert (await load_issue(desk.database, issue.id)).state == state
        order = await load(desk.database, order_id)
        assert (order.hold is Hold.ATTENTION) is (state == "FAILED")
    assert order.hold_detail is not None
    assert order.hold_detail["code"] == "label-mismatch"
    with pytest.raises(IssueFailed):
        await prepared(desk, Press(), issue=await load_issue(desk.database, issue.id))
