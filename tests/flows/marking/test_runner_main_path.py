"""Both profiles from draft to COMPLETED, with a signer that signs by itself."""

from app.domain.marking.draft import DraftLine, OrderDraft
from app.domain.marking.order import OrderStatus
from tests.flows.marking.rig import Rig, playing_worker

GTIN = "04600000000015"


async def test_document_first_goes_from_draft_to_completed(rig: Rig) -> None:
    cards = rig.player.control("GET", "/cards")
    gtin = cards[0]["gtin"] if isinstance(cards, list) else cards["cards"][0]["gtin"]
    draft = OrderDraft(lines=(DraftLine(gtin, 100),))

    order = await rig.flow.start_order_flow(rig.user_id, gtin, draft=draft)

    assert order.status is OrderStatus.INIT
    await rig.until_status(order.id, "COMPLETED")
    assert await rig.count("select count(*) from marking.codes") == 100
    rig.player.assert_clean()


async def test_order_first_introduces_the_codes_at_the_end(dsn: str, sandbox: str) -> None:
    terms = {
        "marking_flow_profile": "order_first",
        "marking_suz_poll_mode": "status",
        "marking_suz_reports": "by_group",
        "marking_auto_introduce": True,
    }
    async with playing_worker(dsn, sandbox, inn="7700000023", **terms) as rig:
        gtin = rig.player.control("GET", "/cards")[0]["gtin"]
        draft = OrderDraft(lines=(DraftLine(gtin, 100),))

        order = await rig.flow.start_order_flow(rig.user_id, gtin, draft=draft)

        await rig.until_status(order.id, "COMPLETED")
        introduced = "select count(*) from marking.codes where status = 'INTRODUCED'"
        assert await rig.count(introduced) == 100
        rig.player.assert_clean()
