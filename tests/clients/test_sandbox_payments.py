"""The Payments stand-in: independent of the product, and the same words for the same seed."""

import ast
from pathlib import Path
from typing import Any

import pytest

from deploy.sandbox_payments.desk import Desk, WrongRequest, message
from deploy.sandbox_payments.manners import MANNERS, SETTLED

PACKAGE = Path(__file__).resolve().parents[2] / "deploy" / "sandbox_payments"
OURS = ("app", "agents", "tables", "web", "tests")


def asked(number: int = 1, *, action: str = "Refund", attempt: int = 1) -> dict[str, Any]:
    return {
        "action": action,
        "refundRequestId": f"rf_x_{number}",
        "attempt": attempt,
        "certificateId": f"gc_{number}",
        "orderId": "SO-1",
        "orderLineId": "1",
        "amount": 1_000,
        "currency": "RUB",
        "method": "OriginalPayment",
        "sealedDetails": None,
    }


def words(seed: int) -> list[list[Any]]:
    desk = Desk(seed, "any")
    return [list(desk.hear(asked(number))[1]) for number in range(200)]


def test_it_shares_no_code_with_the_product() -> None:
    trees = [ast.parse(path.read_text()) for path in PACKAGE.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    named += [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    assert not [name for name in named if name.split(".")[0] in OURS]


def test_the_same_seed_says_the_same() -> None:
    assert words(7) == words(7)
    assert words(7) != words(8)


def test_any_manner_is_every_manner_in_turn() -> None:
    desk = Desk(1, "any")
    for number in range(300):
        desk.hear(asked(number))
    assert {one.manner for one in desk.requests.values()} == set(MANNERS)


def test_an_attempt_is_paid_once_however_often_it_is_asked() -> None:
    desk = Desk(1, "prompt")
    request, said = desk.hear(asked())
    request.said.extend(said)
    assert desk.hear(asked()) == (request, ())
    assert (request.asks, request.attempts, request.paid) == (2, [1], 1_000)


@pytest.mark.parametrize(
    ("manner", "paid"), [("bouncing", 0), ("overtaken", 0), ("repenting", 1_000), ("silent", 0)]
)
def test_the_books_follow_the_words_in_the_order_of_their_versions(manner: str, paid: int) -> None:
    request, said = Desk(1, manner).hear(asked())
    request.said.extend(said)
    assert request.paid == paid


def test_a_command_continues_what_was_said() -> None:
    desk = Desk(1, "prompt")
    request, said = desk.hear(asked())
    request.said.extend(said)
    _, word = desk.on_command({"refundRequestId": request.id, "status": SETTLED, "amount": 900})
    assert (word.version, word.attempt) == (3, 1)
    assert message(request, word, "now")["refundDetails"]["amount"] == 900


def test_wrong_commands_are_named() -> None:
    desk = Desk(1, "prompt")
    with pytest.raises(WrongRequest, match="nobody"):
        desk.on_command({"refundRequestId": "rf_none_1", "status": SETTLED})
    with pytest.raises(WrongRequest, match="manner"):
        desk.set_manner("rude", None)
