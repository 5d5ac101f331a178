"""Both profiles from draft to COMPLETED, with a signer that signs by itself."""

from typing import Any

from tests.flows.marking.rig import Rig, playing_worker

ORDER_FIRST: dict[str, Any] = {
    "marking_flow_profile": "order_first",
    "marking_suz_poll_mode": "status",
    "marking_suz_reports": "by_group",
    "marking_auto_introduce": True,
}


async def test_document_first_goes_from_draft_to_completed(rig: Rig) -> None:
    order = await rig.start(100)

    assert str((await rig.order(order)).status) in {"INIT", "CHECKED", "DOC_SIGNING"}
    await rig.until_status(order, "COMPLETED")
    assert await rig.count("select count(*) from marking.codes") == 100
    assert rig.posted("suz.create_order") == rig.posted("suz.close_order") == 1
    rig.player.assert_clean()


async def test_order_first_introduces_the_codes_at_the_end(dsn: str, sandbox: str) -> None:
    async with playing_worker(dsn, sandbox, inn="7700000023", **ORDER_FIRST) as rig:
        order = await rig.start(100)

        await rig.until_status(order, "COMPLETED")
        introduced = "select count(*) from marking.codes where status = 'INTRODUCED'"
        assert await rig.count(introduced) == 100
        assert rig.posted("suz.utilisation") == rig.posted("suz.dropout") == 0
        rig.player.assert_clean()
