"""Acceptance scenario 32: files of codes are the codes, and no code leaves twice unasked."""

import csv
import hashlib
import io
import itertools
import os
from typing import Any

import pytest

from app.marking.label_formats import LAYOUTS, LabelFormat
from app.marking.symbols import read_pixels
from deploy.sandbox.cards import gtin_of
from tests.clients.printed import label_of, page_of, streams
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
# By command: MARKING_PAGES=500.
PAGES = int(os.environ.get("MARKING_PAGES", "60"))
AWKWARD = '",;<&()'
# A code exists once in the world, whoever ordered it.
_numbers = itertools.count()


def serials(count: int) -> list[str]:
    """Twelve symbols each, with everything that CSV, XML and GS1 brackets stumble over."""
    return [f"{AWKWARD}{next(_numbers):05d}" for _ in range(count)]


def awkward_order(stack: Stack, count: int) -> tuple[Shop, str]:
    shop = stack.shop()
    line = {
        "gtin": GTIN,
        "quantity": count,
        "serial_number_type": "SELF_MADE",
        "serial_numbers": serials(count),
    }
    body = {"participant_id": shop.id, "lines": [line]}
    order = str(shop.api.ok(shop.api.post("/orders", body))["id"])
    shop.until_status(order, "COMPLETED")
    shop.assert_complete(order)
    return shop, order


def issued(shop: Shop, order: str, **asked: Any) -> tuple[dict[str, Any], bytes]:
    """An issue and its file, whose digest is told."""
    issue = shop.api.ok(shop.do(order, "issues", {"gtin": GTIN, **asked}))
    answer = shop.api.get(f"/issues/{issue['id']}/file")
    assert answer.is_success, answer.text
    assert answer.headers["X-Content-SHA256"] == hashlib.sha256(answer.content).hexdigest()
    return issue, answer.content


def txt_codes(content: bytes) -> list[str]:
    return content.decode().removesuffix("\n").split("\n")


@pytest.mark.beside
def test_s32_files_hold_the_codes_of_the_station_byte_for_byte(stack: Stack) -> None:
    shop, order = awkward_order(stack, 500)
    ledger = shop.ledger()
    issue, content = issued(shop, order, kind="csv", next=250)
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert rows[0] == ["gtin", "serial", "ki", "code"]
    assert [row[3] for row in rows[1:]] == ledger[:250]
    assert all(row[1][1:].startswith(AWKWARD) for row in rows[1:])

    parts = [txt_codes(issued(shop, order, kind="txt", next=part)[1]) for part in (100, 150)]
    assert [*parts[0], *parts[1]] == ledger[250:]
    none = shop.do(order, "issues", {"kind": "txt", "gtin": GTIN, "next": 1})
    assert (none.status_code, none.json()["code"]) == (422, "issue-invalid")

    again = {"kind": "csv", "gtin": GTIN, "from": 1, "to": 250}
    refused = shop.do(order, "issues", again)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/reason"
    repeated, same = issued(shop, order, **again, reason="порвалась лента")
    assert same == content
    assert repeated["reissue_of"] == issue["id"]
    assert repeated["codes_sha256"] == issue["codes_sha256"]
    counts = [
        code["print_count"]
        for code in shop.api.ok(shop.api.get(f"/orders/{order}/codes", limit=200))["items"]
    ]
    assert counts == [2] * 200
    assert shop.timeline(order)[-1]["action"] == "codes.reissued"


@pytest.mark.beside
def test_s32_two_who_ask_at_once_get_different_codes(stack: Stack) -> None:
    shop, order = awkward_order(stack, 60)
    got: list[list[str]] = []

    def take() -> None:
        got.append(txt_codes(issued(shop, order, kind="txt", next=10)[1]))

    together(*[take] * 6)
    assert sorted(code for part in got for code in part) == sorted(shop.ledger())


@pytest.mark.beside
def test_s32_every_printed_page_reads_as_its_code(stack: Stack) -> None:
    shop, order = awkward_order(stack, PAGES)
    _, pdf = issued(shop, order, kind="pdf", next=PAGES)
    layout = LAYOUTS[LabelFormat.W58_H40]
    pages = streams(pdf)
    assert len(pages) == PAGES
    read: list[str | None] = []
    for content in pages:
        label = label_of(page_of(content, layout), layout, 0)
        read.append(read_pixels(label, layout.width))
    assert read == shop.ledger()


@pytest.mark.beside
def test_s32_printing_survives_a_lost_answer_with_the_same_codes(stack: Stack) -> None:
    shop, order = awkward_order(stack, 20)
    body = {"kind": "txt", "gtin": GTIN, "next": 5}
    first = shop.api.post(f"/orders/{order}/issues", body, key="print-once")
    repeat = shop.api.post(f"/orders/{order}/issues", body, key="print-once")
    assert repeat.headers["Idempotent-Replay"] == "true"
    assert repeat.json() == first.json()
    files = [shop.api.get(f"/issues/{first.json()['id']}/file").content for _ in range(2)]
    assert files[0] == files[1]
    assert txt_codes(files[0]) == shop.ledger()[:5]
