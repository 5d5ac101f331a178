"""Acceptance scenarios 26, 27, 28 and 37: strange codes, closing by whom and when."""

import json
from functools import partial
from typing import Any

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN, OTHER = gtin_of(1), gtin_of(2)
CLOSING = ["READY_TO_CLOSE", "CLOSING", "CLOSED"]


def exported(shop: Shop, order_id: str, count: int) -> bytes:
    """The file of the next codes that were never issued."""
    body = {"kind": "txt", "gtin": GTIN, "next": count}
    issue = shop.api.ok(shop.do(order_id, "issues", body))
    answer = shop.api.get(f"/issues/{issue['id']}/file")
    assert answer.is_success, answer.text
    return answer.content


def exported_codes(shop: Shop, order_id: str, count: int) -> list[str]:
    return exported(shop, order_id, count).decode().removesuffix("\n").split("\n")


def held_codes(shop: Shop, order_id: str, code: str) -> None:
    """Wait for the hold, let it go on by «Повторить»."""
    order = shop.until_hold(order_id, "attention")
    assert order["hold"]["code"] == code, shop.story(order_id)
    shop.api.ok(shop.do(order_id, "retry"))


@pytest.mark.beside
def test_s26_strange_handouts_leave_everything_exportable(stack: Stack) -> None:
    together(
        partial(fewer_than_asked, stack),
        partial(more_than_ordered, stack),
        partial(a_code_twice, stack),
        partial(a_malformed_code, stack),
    )


def fewer_than_asked(stack: Stack) -> None:
    shop = stack.shop(switches={"fewer_codes_than_asked": True})
    order = shop.order((GTIN, 40))["id"]
    shop.until_status(order, "COMPLETED")
    shop.assert_complete(order)
    assert shop.count("suz.fetch_codes") > 2
    assert sorted(exported_codes(shop, order, 40)) == sorted(shop.ledger())


def more_than_ordered(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.fetch_codes", "surplus", count=3)
    order = shop.order((GTIN, 20))["id"]
    done = shop.until_status(order, "COMPLETED")
    assert done["lines"][0]["buffer"] == "SURPLUS"
    assert sorted(exported_codes(shop, order, 22)) == sorted(shop.ledger())
    # The tail was left out of the asked 19 and needs no asking any more.
    shop.assert_complete(order, codes=22)


def a_code_twice(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.fetch_codes", "duplicate_code", nth=2)
    order = shop.order((GTIN, 20))["id"]
    held_codes(shop, order, "code-duplicate")
    shop.until_status(order, "COMPLETED")
    known = sorted(set(shop.ledger()))
    assert len(known) == 19
    assert sorted(exported_codes(shop, order, 19)) == known
    shop.assert_whole(order)


def a_malformed_code(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.fetch_codes", "malformed_code", count=2)
    order = shop.order((GTIN, 20))["id"]
    done = shop.until_status(order, "COMPLETED")
    assert done["lines"][0]["malformed"] == 2
    refused = shop.do(order, "issues", {"kind": "pdf", "gtin": GTIN, "from": 1, "to": 20})
    assert refused.status_code == 422
    assert "печатать нельзя" in refused.text
    assert sorted(exported_codes(shop, order, 20)) == sorted(shop.ledger())
    shop.assert_complete(order)


@pytest.mark.beside
def test_s27_an_order_closed_by_the_station_needs_no_close(stack: Stack) -> None:
    together(partial(drained_first, stack), partial(closed_under_our_hands, stack))


def drained_first(stack: Stack) -> None:
    shop = stack.shop(switches={"drain_close_delay_s": 0})
    order = shop.order((GTIN, 30))["id"]
    done = shop.until_status(order, "COMPLETED")
    assert done["station"]["closed_by"] == "EXHAUSTED"
    assert shop.count("suz.close_order") == 0
    shop.assert_complete(order)


def closed_under_our_hands(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.close_order", "close")
    order = shop.order((GTIN, 30))["id"]
    shop.until_status(order, "COMPLETED")
    (sent,) = shop.player.journal("suz.close_order")
    assert sent["status"] == 400
    assert [e["errorCode"] for e in json.loads(sent["answer"])["globalErrors"]] == [3370]
    settled = [e["action"] for e in shop.timeline(order) if of_closing(e)]
    assert settled == ["call.refused", "suz.closed"]
    assert [s for s in shop.statuses(order) if s in CLOSING] == CLOSING
    shop.assert_complete(order)


def of_closing(entry: dict[str, Any]) -> bool:
    """What became of our close, and that the order is known to be closed."""
    if entry["action"] == "suz.closed":
        return True
    outcome = entry["action"].startswith("call.")
    return bool(outcome and entry["details"].get("operation") == "close_order")


def sixty_left(shop: Shop) -> str:
    """An order of 119 codes that stands still with 60 of them not fetched."""
    shop.player.control("PUT", "/switches", {"fewer_codes_than_asked": True})
    shop.fault("suz.fetch_codes", "status", status=400, nth=2, times=0)
    order = shop.order((GTIN, 119))["id"]
    shop.until_hold(order, "attention")
    assert shop.read(order)["lines"][0]["missing"] == 60
    return str(order)


@pytest.mark.beside
def test_s28_codes_are_given_up_only_by_name_and_number(stack: Stack) -> None:
    together(partial(waived_by_number, stack), partial(counters_gone_at_the_claim, stack))


def waived_by_number(stack: Stack) -> None:
    shop = stack.shop()
    order = sixty_left(shop)
    assert shop.do(order, "close").status_code == 400
    wrong = shop.do(order, "close", {"waive_remaining": True, "expected_annulled": 59})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "order-state")
    assert shop.count("suz.close_order") == 0
    shop.api.ok(shop.do(order, "close", {"waive_remaining": True, "expected_annulled": 60}))
    done = shop.until_status(order, "COMPLETED")
    assert done["lines"][0]["waived"] == 60
    (waiver,) = [e for e in shop.timeline(order) if e["action"] == "suz.waiver"]
    assert waiver["details"]["annulled"] == 60
    assert waiver["actor"] == f"user:{done['created_by']}"
    assert len(shop.codes(order)) == 59
    shop.assert_whole(order)


def counters_gone_at_the_claim(stack: Stack) -> None:
    """What is to be annulled is unknown: nothing is sent until the counters are back."""
    shop = stack.shop()
    order = sixty_left(shop)
    shop.fault("suz.order_status", "wrong_type", field="totalCodes", value=-1)
    shop.api.ok(shop.do(order, "close", {"waive_remaining": True, "expected_annulled": 60}))
    shop.until_status(order, "COMPLETED")
    went = shop.statuses(order)
    turn = went.index("CLOSING")
    assert went[turn : turn + 4] == ["CLOSING", "COLLECTING", "READY_TO_CLOSE", "CLOSING"]
    assert shop.count("suz.close_order") == 1
    shop.assert_whole(order)


@pytest.mark.beside
def test_s37_no_close_before_the_last_code(stack: Stack) -> None:
    together(
        partial(empty_at_first, stack),
        partial(a_lost_handout, stack),
        partial(all_done_but_a_doubtful_handout, stack),
    )


def empty_at_first(stack: Stack) -> None:
    shop = stack.shop(switches={"empty_active_s": 60})
    order = shop.order((GTIN, 30))["id"]
    shop.until_status(order, "COMPLETED")
    empty = next(n for n, entry in enumerate(journal(shop)) if shows_an_empty_buffer(entry))
    doings = [entry["operation"] for entry in journal(shop)]
    assert empty < doings.index("suz.fetch_codes")
    assert last(doings, "suz.fetch_codes") < doings.index("suz.close_order")
    assert [s for s in shop.statuses(order) if s in CLOSING] == CLOSING
    assert len(shop.codes(order)) == 30
    shop.assert_complete(order)


def journal(shop: Shop) -> list[dict[str, Any]]:
    return list(shop.player.control("GET", "/journal"))


def last(words: list[str], word: str) -> int:
    return len(words) - 1 - words[::-1].index(word)


def shows_an_empty_buffer(entry: dict[str, Any]) -> bool:
    """ACTIVE, and every counter is 0."""
    if entry["operation"] != "suz.order_status":
        return False
    (buffer,) = json.loads(entry["answer"])
    return (buffer["bufferStatus"], buffer["totalCodes"]) == ("ACTIVE", 0)


def a_lost_handout(stack: Stack) -> None:
    shop = stack.shop(switches={"empty_active_s": 60})
    shop.fault("suz.fetch_codes", "drop")
    order = shop.order((GTIN, 30))["id"]
    shop.until_status(order, "COMPLETED")
    assert fetches_before_closing(shop, order) == ["unknown", "found", "answered"]
    assert len(shop.codes(order)) == 30
    shop.assert_complete(order)


def all_done_but_a_doubtful_handout(stack: Stack) -> None:
    """Another program closes the buffer whose codes were asked for in vain: nothing is left."""
    shop = stack.shop(switches={"drain_close_delay_s": 36_000})
    shop.fault("suz.fetch_codes", "drop", match={"gtin": GTIN}, when="before")
    shop.fault("suz.order_status", "close", match={"gtin": GTIN}, nth=2, gtin=GTIN)
    order = shop.order((GTIN, 30), (OTHER, 10))["id"]
    done = shop.until_status(order, "COMPLETED")
    *others, settled = fetches_before_closing(shop, order)
    assert (sorted(others), settled) == (["answered", "answered", "unknown"], "absent")
    assert [line["stored"] for line in done["lines"]] == [0, 10]
    assert shop.count("suz.close_order") == 1
    shop.assert_whole(order)


def fetches_before_closing(shop: Shop, order: str) -> list[str]:
    """What became of calls for codes, in turn, until the order was ready to close."""
    found: list[str] = []
    for entry in shop.timeline(order):
        if entry["to_status"] == "READY_TO_CLOSE":
            return found
        if entry["details"].get("operation") == "fetch_codes":
            found.append(entry["action"].removeprefix("call."))
    raise AssertionError(shop.story(order))
