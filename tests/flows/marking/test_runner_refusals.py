"""What a refusal means for an order, and what its people are told of it."""

import pytest

from app.domain.marking.draft import PostprocessPlan
from app.marking import order_pages
from tests.flows.marking.rig import Rig

DECLINED = (
    ("decline", "Проверка не пройдена", "order-invalid"),
    ("decline", "Signature validation failed", "signature-invalid"),
    ("status", "Неверное поле", "order-invalid"),
)


@pytest.mark.parametrize(("action", "text", "code"), DECLINED)
async def test_a_declined_order_tells_why(*, rig: Rig, action: str, text: str, code: str) -> None:
    rig.player.fault("suz.create_order", action, status=400, text=text)

    order = await rig.start(20)

    await rig.until_status(order, "DECLINED")
    assert rig.posted("suz.create_order") == 1
    shown = (await order_pages.one(rig.database, order))["status_text"]
    assert shown == f"СУЗ отклонил заказ: {text}"
    told = "select text from marking.notifications where kind = 'order.declined'"
    assert await rig.database.rows(told) == [{"text": shown}]
    moved = """select details->>'reason' as code from marking.audit_log
               where order_id = %(id)s and action = 'order.status'
                     and to_status = 'DECLINED'"""
    assert await rig.database.rows(moved, id=order) == [{"code": code}]


WITHOUT_RIGHT = (
    ("suz.fetch_codes", 403, "forbidden"),
    ("suz.close_order", 402, "forbidden"),
    ("suz.close_order", 406, "bug"),
    ("suz.utilisation", 414, "bug"),
)


@pytest.mark.parametrize(("operation", "status", "code"), WITHOUT_RIGHT)
async def test_a_call_without_right_or_made_wrong_is_told_by_its_number(
    *, rig: Rig, operation: str, status: int, code: str
) -> None:
    rig.player.fault(operation, "status", status=status)

    order = await rig.start(5, postprocess=PostprocessPlan(utilisation=True))

    row = await rig.until(lambda row: row.hold == "attention", order)
    assert row.hold_detail is not None
    assert row.hold_detail["code"] == code
    numbers = "select remote_request_id as id from marking.calls where state = 'REFUSED'"
    asked = await rig.database.one(numbers)
    assert asked is not None
    assert asked["id"]
    assert row.hold_detail["request_id"] == asked["id"]
