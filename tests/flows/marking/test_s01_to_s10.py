"""Acceptance scenarios 1–10 of ordering codes, through the HTTP API and the emulator only."""

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.stack import Stack

GTIN = gtin_of(1)


def test_s01_document_first_reaches_completed_in_the_order_of_the_specification(
    stack: Stack,
) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 100))
    assert order["status"] == "INIT"
    shop.until_status(order["id"], "COMPLETED")
    shop.assert_complete(order["id"])
    assert shop.operations() == [
        "true_api.submit_document",
        "suz.create_order",
        "suz.fetch_codes",
        "suz.fetch_codes",
        "suz.close_order",
    ]
