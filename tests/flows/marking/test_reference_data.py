"""What is read beside orders: code printers, money left, states of stored codes at night."""

from typing import Any

import pytest

from app.domain.marking.order import Profile
from app.marking import code_states
from app.marking.goods import status
from app.marking.timers import nightly
from tests.flows.marking.rig import Rig

LOW = "select count(*) from marking.notifications where kind = 'balance.low'"


async def completed(rig: Rig) -> str:
    order = await rig.start(3)
    await rig.until_status(order, "COMPLETED", within_s=60)
    return order


async def test_printers_of_a_station_are_read_once_a_day_and_shown(rig: Rig) -> None:
    for _ in range(2):
        await completed(rig)
    assert rig.posted("suz.providers") == 1
    shown: dict[str, Any] = await status(rig.desk, rig.participant_id)
    assert [one["provider_name"] for one in shown["providers"]] == ["ООО Типография Пример"]
    await rig.database.execute(
        "update marking.reference_data set providers_at = providers_at - interval '1 day'"
    )
    await completed(rig)
    assert rig.posted("suz.providers") == 2


async def test_the_station_is_pinged_and_may_be_away(rig: Rig) -> None:
    await completed(rig)
    shown: dict[str, Any] = await status(rig.desk, rig.participant_id)
    assert all(shown["ping"].values())
    rig.player.fault("suz.ping", "status", status=503, times=0)
    shown = await status(rig.desk, rig.participant_id)
    assert shown["ping"] is None
    assert shown["balance"] is not None
    await rig.forget_tokens()
    shown = await status(rig.desk, rig.participant_id)
    assert (shown["ping"], shown["balance"]) == (None, None)
    assert rig.posted("suz.ping") == 2


async def test_an_empty_account_is_told_once_and_stops_nothing(rig: Rig) -> None:
    await completed(rig)
    assert await rig.count(LOW) == 0
    rig.player.fault("true_api.balance", "wrong_type", field="balance", value=0, times=0)
    for _ in range(2):
        await completed(rig)
    assert await rig.count(LOW) == 1


async def test_an_order_goes_on_without_what_is_read_beside_it(rig: Rig) -> None:
    for operation in ("true_api.balance", "suz.providers"):
        rig.player.fault(operation, "status", status=400, times=0)
    await completed(rig)
    assert rig.posted("suz.providers") == 1
    assert await rig.count(LOW) == 0


@pytest.mark.parametrize("told", [True, False])
async def test_stale_cards_are_read_again_at_the_check_if_they_can_be(
    rig: Rig, *, told: bool
) -> None:
    rig.works = False
    order = await rig.start(3)
    age = "update marking.nk_cards set fetched_at = fetched_at - interval '1 day'"
    await rig.database.execute(age)
    asked = rig.posted("nk.product")
    if not told:
        rig.player.fault("nk.product", "status", status=404, times=0)

    rig.works = True
    await rig.until_status(order, "COMPLETED", within_s=60)

    assert rig.posted("nk.product") == asked + 1
    fresh = "select count(*) from marking.nk_cards where fetched_at > now() - interval '1 hour'"
    assert await rig.count(fresh) == (1 if told else 0)


async def test_every_night_asks_about_those_asked_longest_ago(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the one before could not be answered."""
    monkeypatch.setattr(code_states, "MOST_ORDERS", 1)
    for _ in range(2):
        order = await rig.start(1, profile=Profile.ORDER_FIRST)
        await rig.until_status(order, "CLOSED", within_s=60)
    rig.player.fault("true_api.cises_info", "status", status=403)

    for _ in range(4):
        await code_states.refresh_open_orders(rig.desk)

    log = await rig.database.rows(
        """select order_id, action from marking.audit_log
           where action = any(%(actions)s) order by id""",
        actions=[code_states.REFRESHED, code_states.NOT_REFRESHED],
    )
    first, second, *again = [entry["order_id"] for entry in log]
    assert first != second
    assert again == [first, second]
    actions = [entry["action"] for entry in log]
    assert actions == [code_states.NOT_REFRESHED, *[code_states.REFRESHED] * 3]


async def test_states_of_codes_of_open_orders_are_read_every_night(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "status", status=400, nth=2, times=0)
    order = await rig.start(20)
    await rig.until(lambda row: row.hold == "attention", order)
    states = "select distinct status from marking.codes"
    assert await rig.database.rows(states) == [{"status": "STORED"}]
    for _ in range(200):
        await nightly(rig.desk)
        if await rig.database.rows(states) == [{"status": "APPLIED"}]:
            return
    raise AssertionError(await rig.story(order))
