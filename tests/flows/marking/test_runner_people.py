"""Orders that wait for people: signatures, sign-in, corrections, giving up, foreign orders."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.marking.draft import Attributes, DraftLine
from app.marking import sign_requests
from app.marking.corrections import correct
from app.marking.errors import OrderStateError
from app.marking.operations import cancel
from app.marking.orphans import dismiss, listed, take_over
from app.marking.sign_in import AuthService
from app.marking.sign_requests import Signed
from app.marking.waivers import give_up
from tests.flows.marking.rig import Rig, playing_worker


@pytest.fixture
async def person(dsn: str, sandbox: str) -> AsyncIterator[Rig]:
    """A participant whose documents a person signs in the browser."""
    async with playing_worker(dsn, sandbox, inn="7700000030", signer_kind="browser") as rig:
        yield rig


async def sign_in(rig: Rig) -> None:
    auth = AuthService(rig.desk)
    issued = await auth.issue_tokens(rig.participant_id, rig.user_id, person=True)
    for challenge in issued.challenges:
        await sign(rig, challenge)
        await auth.complete(challenge)


async def sign(rig: Rig, request_id: str) -> None:
    request = await sign_requests.load(rig.database, request_id, sealer=rig.desk.sealer)
    assert request.payload is not None
    cms = await asyncio.to_thread(rig.player.sign, request.payload, detached=request.detached)
    async with rig.database.transaction() as tx:
        await sign_requests.store_signature(
            tx, request_id, Signed(base64.b64decode(cms), signed_by=rig.user_id)
        )


async def waiting(rig: Rig) -> list[str]:
    found = await sign_requests.pending(rig.database, rig.participant_id, sealer=rig.desk.sealer)
    return [request.id for request in found if request.order_id is not None]


async def test_one_sitting_signs_document_and_order(person: Rig) -> None:
    await sign_in(person)
    person.player.control("PUT", "/switches", {"drain_close_delay_s": 0})
    order = await person.start(20)
    await person.until_status(order, "DOC_SIGNING")

    requests = await waiting(person)
    assert len(requests) == 2
    for request in requests:
        await sign(person, request)

    await person.until_status(order, "COMPLETED")
    assert await waiting(person) == []
    person.player.assert_clean()


async def test_a_person_whose_signature_was_refused_signs_again(person: Rig) -> None:
    await sign_in(person)
    text = "Ошибка проверки подписи"
    person.player.fault("true_api.submit_document", "status", status=422, text=text)
    order = await person.start(20)
    await person.until_status(order, "DOC_SIGNING")
    for request in await waiting(person):
        await sign(person, request)

    held = await person.until(lambda row: row.hold is not None, order)
    assert (held.status, held.hold) == ("DOC_SIGNING", "signature")
    assert held.hold_detail is not None
    assert held.hold_detail["text"] == "Подпись документа не принята. Подпишите ещё раз."

    (again,) = await waiting(person)
    await sign(person, again)
    moved = await person.until_status(order, "READY_TO_CLOSE", "COMPLETED")
    assert moved.hold is None


async def test_without_a_session_an_order_waits_and_goes_on_by_itself(person: Rig) -> None:
    await sign_in(person)
    order = await person.start(20)
    await person.until_status(order, "DOC_SIGNING")
    await person.age_tokens()
    person.player.fault("true_api.submit_document", "expire", token="true_api")
    for request in await waiting(person):
        await sign(person, request)
    held = await person.until(lambda row: row.hold is not None, order)
    assert held.hold == "sign_in"

    await sign_in(person)

    row = await person.until_status(order, "EMITTING", "COLLECTING", "READY_TO_CLOSE")
    assert row.hold is None
    assert person.posted("true_api.submit_document") >= 1


async def test_what_was_signed_before_a_correction_is_never_sent(person: Rig) -> None:
    await sign_in(person)
    order = await person.start(20)
    await person.until_status(order, "DOC_SIGNING")
    before = await waiting(person)
    person.works = False
    for request in before:
        await sign(person, request)

    attributes = Attributes(contact_person="Петров П.")
    await correct(person.desk, order, user_id=person.user_id, attributes=attributes)
    person.works = True
    for request in await waiting(person):
        assert request not in before
        await sign(person, request)
    await person.until_status(order, "EMITTING", "COLLECTING", "READY_TO_CLOSE", "COMPLETED")

    bodies = [entry["body"] for entry in person.player.journal("suz.create_order")]
    assert len(bodies) == 1
    assert "Петров" in str(bodies[0])


async def test_a_declined_order_is_corrected_into_a_second_attempt(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "decline", text="Проверка не пройдена")
    order = await rig.start(20)
    await rig.until_status(order, "DECLINED")

    await correct(
        rig.desk, order, user_id=rig.user_id, attributes=Attributes(contact_person="Иванов")
    )

    await rig.until_status(order, "COMPLETED")
    numbers = await rig.database.rows(
        "select production_order_id from marking.suz_orders order by attempt"
    )
    assert [row["production_order_id"][-2:] for row in numbers] == ["-1", "-2"]
    rig.player.assert_clean()


async def test_changed_lines_of_a_declined_order_need_a_new_document(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "decline", text="Проверка не пройдена")
    order = await rig.start(20)
    await rig.until_status(order, "DECLINED")

    lines = (DraftLine(rig.gtins(1)[0], 15),)
    await correct(rig.desk, order, user_id=rig.user_id, lines=lines)

    await rig.until_status(order, "COMPLETED")
    assert rig.posted("true_api.submit_document") == 2
    assert await rig.count("select count(*) from marking.codes") == 15


async def test_a_wait_is_given_up_only_with_the_right_number(dsn: str, sandbox: str) -> None:
    terms: dict[str, Any] = {"created_limit_s": 20}
    async with playing_worker(dsn, sandbox, inn="7700000048", **terms) as rig:
        rig.player.fault("suz.create_order", "stay", state="CREATED", for_s=100_000)
        order = await rig.start(20)
        await rig.until_status(order, "EMITTING")
        held = await rig.until(lambda row: row.hold is not None, order, within_s=60)
        assert held.hold == "signature"

        with pytest.raises(OrderStateError):
            await give_up(rig.desk, order, expected_lost=19, user_id=rig.user_id)
        row = await give_up(rig.desk, order, expected_lost=20, user_id=rig.user_id)

        assert row.status == "DECLINED"
        with pytest.raises(OrderStateError, match="ещё жив"):
            await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())


async def test_an_order_is_cancelled_before_and_not_after_it_was_sent(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    assert (await cancel(rig.desk, order, user_id=rig.user_id)).status == "CANCELLED"
    rig.works = True
    other = await rig.start(20)
    await rig.until_status(other, "COLLECTING", "CLOSED", "COMPLETED")

    with pytest.raises(OrderStateError):
        await cancel(rig.desk, other, user_id=rig.user_id)


async def test_an_order_made_elsewhere_is_taken_over_and_collected(rig: Rig) -> None:
    gtin = rig.gtins(1)[0]
    own = await rig.start(10)
    await rig.until_status(own, "EMITTING", "COLLECTING")
    rig.player.fault("suz.order_list", "foreign_order", products=[{"gtin": gtin, "quantity": 25}])
    await rig.until_status(own, "COMPLETED")
    orphans = await listed(rig.desk, rig.participant_id)
    assert [orphan["kind"] for orphan in orphans] == ["foreign"]

    adopted = await take_over(rig.desk, orphans[0]["suz_order_id"], user_id=rig.user_id)

    await rig.until_status(adopted, "COMPLETED", within_s=60)
    stored = "select count(*) from marking.codes where order_id = %(id)s"
    assert await rig.count(stored, id=adopted) == 25
    rig.player.assert_clean()


async def test_a_foreign_order_that_looks_like_ours_needs_a_person(rig: Rig) -> None:
    gtin = rig.gtins(1)[0]
    rig.player.fault("suz.create_order", "drop", when="before")
    rig.player.fault("suz.order_list", "foreign_order", products=[{"gtin": gtin, "quantity": 20}])
    order = await rig.start(20)
    held = await rig.until(
        lambda row: (row.hold_detail or {}).get("code") == "foreign-candidate",
        order,
        within_s=60,
    )
    assert held.status == "SUZ_SENDING"
    assert rig.posted("suz.create_order") == 1

    orphan = (await listed(rig.desk, rig.participant_id))[0]
    await dismiss(rig.desk, orphan["suz_order_id"], user_id=rig.user_id)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("suz.create_order") == 2


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_lost_second_attempt_is_not_mistaken_for_the_declined_first(
    rig: Rig, arrives: bool
) -> None:
    rig.player.fault("suz.create_order", "decline", text="Проверка не пройдена")
    order = await rig.start(20)
    await rig.until_status(order, "DECLINED")
    rig.player.fault("suz.create_order", "drop", when="after" if arrives else "before")

    await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())

    row = await rig.until_status(order, "COMPLETED")
    assert row.hold is None
    assert rig.posted("suz.create_order") == (2 if arrives else 3)
    assert await listed(rig.desk, rig.participant_id) == []
    rig.player.assert_clean()


async def test_a_second_attempt_that_arrived_as_well_waits_for_a_person(rig: Rig) -> None:
    """The first comes to light, declined, while the answer to the second is lost."""
    rig.player.fault("suz.create_order", "drop")
    rig.player.fault("suz.create_order", "decline", text="Проверка не пройдена")
    rig.player.fault("suz.create_order", "list_lag", for_s=1_000)
    rig.player.fault("suz.create_order", "status", status=400, nth=2, text="Неверное поле")
    rig.player.fault("suz.create_order", "drop", nth=3)
    rig.player.fault("suz.create_order", "list_lag", for_s=10_000, nth=3)
    order = await rig.start(20)
    await rig.until_status(order, "DECLINED")
    await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    await rig.until(lambda row: row.hold == "unknown_outcome", order)
    rig.player.pass_time(1_000)
    await rig.until_status(order, "DECLINED")
    assert await listed(rig.desk, rig.participant_id) == []

    rig.player.pass_time(10_000)

    held = await rig.until(lambda row: row.hold == "attention", order)
    assert held.status == "DECLINED"
    assert [orphan["kind"] for orphan in await listed(rig.desk, rig.participant_id)] == ["double"]
    doubtful = "select count(*) from marking.calls where state = 'UNKNOWN'"
    assert await rig.count(doubtful) == 0
    with pytest.raises(OrderStateError, match="ещё жив"):
        await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    (orphan,) = await listed(rig.desk, rig.participant_id)
    adopted = await take_over(rig.desk, orphan["suz_order_id"], user_id=rig.user_id)
    await rig.until_status(adopted, "COMPLETED")
    assert await rig.count("select count(*) from marking.codes") == 20
    assert rig.posted("suz.create_order") == 3
