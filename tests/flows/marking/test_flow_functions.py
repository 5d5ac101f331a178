"""The functions of the specification, called by hand in the order that it names."""

from typing import Any

import msgspec
import pytest

from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.domain.marking.order import OrderStatus, Profile
from app.integrations import suz
from app.integrations.errors import Upstream
from app.marking import participants, tokens
from app.marking.errors import (
    DropoutError,
    OrderValidationError,
    UtilisationError,
    ValidationError,
)
from app.marking.flow import OrderFlow, SuzOrderStatus
from app.marking.store import OrderRow
from app.marking.terms import Terms
from app.marking.work import WorkMessage
from tests.flows.marking.rig import Rig, playing_worker

S = OrderStatus


class Hands:
    """Calls the flow; what it publishes is kept, polls alone are worked at once."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.published: list[tuple[str, WorkMessage]] = []

        async def publish(topic: str, message: WorkMessage) -> None:
            self.published.append((topic, message))
            if message.task.startswith("poll_"):
                rig.runner.accept(message)

        self.flow = OrderFlow(msgspec.structs.replace(rig.desk, publish=publish))
        rig.works = False

    async def polled_until(self, sql: str, order: str) -> None:
        """Poll until the query finds the order."""
        for _ in range(1_000):
            await self.flow.poll_statuses_task()
            await self.rig.runner.idle()
            if await self.rig.database.one(sql, id=order) is not None:
                return
        raise AssertionError(await self.rig.story(order))

    async def order_status(self, order: str) -> SuzOrderStatus:
        """The order as the station tells of it now."""
        rig = self.rig
        row = await rig.database.one(
            """select suz_order_id::text as number,
                      (extract(epoch from clock_timestamp()) * 1000)::bigint as now
               from marking.suz_orders where order_id = %(id)s""",
            id=order,
        )
        assert row is not None
        participant = await participants.load(
            rig.database, rig.participant_id, sealer=rig.desk.sealer
        )
        assert participant is not None
        granted = await tokens.grant(
            rig.database, participant, Upstream.SUZ, sealer=rig.desk.sealer
        )
        client = rig.desk.clients.suz
        answer = await suz.order_status(client, granted.access, order_id=row["number"])
        return SuzOrderStatus(order, None, tuple(answer.value), row["now"])

    async def closed(self, order: str) -> OrderRow:
        for _ in range(200):
            await self.flow.close_order_if_ready(await self.order_status(order))
            row = await self.rig.order(order)
            if row.status in {S.CLOSED, S.POSTPROCESSING, S.COMPLETED}:
                return row
        raise AssertionError(await self.rig.story(order))


@pytest.fixture
def hands(rig: Rig) -> Hands:
    return Hands(rig)


async def to_emitting(hands: Hands, **draft: Any) -> str:
    """The first half of the flow, each function called twice."""
    rig, flow = hands.rig, hands.flow
    order = await rig.start(1, **draft)
    for _ in range(2):
        await flow.submit_true_api_document(order)
    assert (await rig.order(order)).status is S.DOC_CHECKING
    assert rig.posted("true_api.submit_document") == 1
    accepted = "select 1 from marking.documents where order_id = %(id)s and status = 'ACCEPTED'"
    await hands.polled_until(accepted, order)
    hands.published.clear()
    await flow.create_suz_order_task(order)
    ((topic, message),) = hands.published
    assert (topic, message.task, message.order_id) == ("suz_orders", "create_order", order)
    rig.runner.accept(message)
    await rig.runner.idle()
    assert (await rig.order(order)).status is S.EMITTING
    await flow.submit_true_api_document(order)
    assert rig.posted("true_api.submit_document") == rig.posted("suz.create_order") == 1
    return order


async def test_called_in_their_order_they_lead_from_a_gtin_to_a_completed_order(
    hands: Hands,
) -> None:
    rig, flow = hands.rig, hands.flow
    (gtin,) = rig.gtins(1)
    made = await flow.start_order_flow(rig.user_id, gtin)
    assert made.status is S.INIT
    assert await rig.count("select sum(quantity) from marking.order_lines") == 1

    order = await to_emitting(hands)
    await flow.postprocess_order(order)
    assert (await rig.order(order)).status is S.EMITTING
    await hands.closed(order)
    await flow.postprocess_order(order)
    assert (await rig.order(order)).status is S.COMPLETED
    sent = rig.posted("suz.create_order"), rig.posted("suz.fetch_codes")
    await flow.create_suz_order_task(order)
    await flow.close_order_if_ready(await hands.order_status(order))
    assert (await rig.order(order)).status is S.COMPLETED
    assert (rig.posted("suz.create_order"), rig.posted("suz.fetch_codes")) == sent
    rig.player.assert_clean()


async def test_a_refused_document_is_a_validation_error(hands: Hands) -> None:
    hands.rig.player.fault("true_api.submit_document", "status", status=400, text="Неверное поле")
    order = await hands.rig.start(1)
    with pytest.raises(ValidationError):
        await hands.flow.submit_true_api_document(order)
    assert (await hands.rig.order(order)).status is S.DOC_REJECTED


async def test_in_production_no_order_asks_for_a_document_before_its_codes(
    dsn: str, sandbox: str
) -> None:
    real: dict[str, Any] = {
        "chz_environment": "production",
        "marking_time_scale": 1,
        "marking_flow_profile": Profile.ORDER_FIRST,
    }
    async with playing_worker(dsn, sandbox, inn="7700000048", **real) as rig:
        rig.works = False
        with pytest.raises(OrderValidationError, match="отклонит документ без кодов") as caught:
            await rig.start(1, profile=Profile.DOCUMENT_FIRST)
        assert caught.value.errors[0].pointer == "/profile"
        assert await rig.count("select count(*) from marking.orders") == 0
        assert (await rig.order(await rig.start(1))).profile is Profile.ORDER_FIRST
    chosen = {**real, "marking_document_first_in_production": True}
    assert Terms(**chosen).allows(Profile.DOCUMENT_FIRST)


REFUSED: dict[str, tuple[PostprocessPlan, type[Exception]]] = {
    "suz.utilisation": (PostprocessPlan(utilisation=True), UtilisationError),
    "suz.dropout": (PostprocessPlan(dropout=DropoutPlan(DropoutReason.DEFECT)), DropoutError),
}


@pytest.mark.parametrize("operation", REFUSED)
async def test_a_refused_report_is_its_error(hands: Hands, operation: str) -> None:
    plan, error = REFUSED[operation]
    hands.rig.player.fault(operation, "verdict", state="FAILED")
    order = await to_emitting(hands, postprocess=plan)
    await hands.closed(order)
    await hands.flow.postprocess_order(order)
    final = "select 1 from marking.suz_reports where order_id = %(id)s and status = 'FAILED'"
    await hands.polled_until(final, order)
    with pytest.raises(error):
        await hands.flow.postprocess_order(order)
    assert hands.rig.posted(operation) == 1
