"""What is shown of a dead letter: its shape and its names, never a code, phone or address."""

import msgspec
import pytest

from app.certificates.dead_letters.letters import Letter, Name, Wanted, WrongName
from app.certificates.dead_letters.payloads import shown
from app.contracts import dead_letters as headers
from app.contracts.wire import CommandRecord, encode
from app.domain.certificates.command_parts import Call
from app.domain.certificates.commands import NotificationResult, Sealed, SupplyContact

CODE = "GC7K-2M9T-XQ4P-0D8V-R6N4"
PHONE = "+79990000001"
NAME = Name("All_SalesOrder.DLQ", 1, 7)


def letter(name: Name = NAME, **named: str) -> Letter:
    return Letter(name, b"SO-1", b"", named, 0)


SECRETS: list[object] = [
    {"certificateLines": [{"code": CODE, "nominal": "x"}], "buyer": {"phone": PHONE}},
    {"certificateLines": [{"code": 12345678901234567890}]},
    {"orderId": CODE, "id": PHONE, "status": "a@example.org"},
    {"recipient": {"email": "a@example.org", "name": "Anna"}},
    {"refundDetails": {"reason": f"call {PHONE}", "account": "40817810099910004312"}},
    {CODE: 1, "metadata": {"note": CODE}},
    [CODE, [PHONE]],
    CODE,
]


@pytest.mark.parametrize("content", SECRETS)
def test_no_secret_is_shown_wherever_it_stands(content: object) -> None:
    told = str(shown(letter(), msgspec.json.encode(content)))
    for secret in (CODE, "GC7K", PHONE, "7999", "example", "Anna", "408178", "1234567890"):
        assert secret not in told


def test_what_explains_the_fault_is_shown() -> None:
    line = {"orderLineId": "1", "code": CODE, "nominal": -5, "currency": "RUB", "delivery": "SMS"}
    sale = {"orderId": "SO-1", "version": 2, "certificateLines": [line], "buyer": {"phone": PHONE}}
    told = shown(letter(), msgspec.json.encode(sale))
    assert told["certificateLines"][0] == line | {"code": "•••R6N4"}
    assert (told["orderId"], told["buyer"]) == ("SO-1", {"phone": "•••01"})


def test_what_is_no_json_keeps_its_shape_only() -> None:
    broken = f'{{"orderId":"SO-1","code":"{CODE}","phone":"{PHONE}"'.encode() + b"\xff"
    told = shown(letter(), broken)["undecodable"]
    assert told.startswith('{"orderId":"')
    for secret in ("GC7K", "R6N4", "7999"):
        assert secret not in told


def test_a_command_is_shown_by_the_names_of_its_fields() -> None:
    call = Call("desk", "OPERATOR", "supply_contact", b"k", b"b", "req_1", "anna")
    box = Sealed("k", b"n", PHONE.encode())
    for command in (
        SupplyContact("1", box, f"call {PHONE}", call),
        NotificationResult("1", 1, "SENT"),
    ):
        fields = msgspec.Raw(msgspec.msgpack.encode(command))
        record = CommandRecord(1, "x", 5, type(command).__name__, "SO-1", fields)
        told = shown(letter(NAME, **{headers.FORMAT: headers.COMMAND_FORMAT}), encode(record))
        assert told["kind"] == type(command).__name__
        assert told["fields"]["orderLineId"] == "1"
        assert PHONE not in str(told)


@pytest.mark.parametrize(
    "text",
    ["", "All_SalesOrder/1/2", "All_SalesOrder.DLQ/1", "certificate-journal/1/2", "x.DLQ/0/0"],
)
def test_only_places_of_dead_letters_have_names(text: str) -> None:
    with pytest.raises(WrongName):
        Name.parse(text)
    assert Name.parse(str(NAME)) == NAME


def test_letters_are_chosen_by_topic_cause_and_entity() -> None:
    one = letter(NAME, **{headers.CODE: "VersionConflict", headers.ENTITY: "SO-2"})
    for wanted, meets in (
        (Wanted(), True),
        (Wanted(topic="All_SalesOrder"), True),
        (Wanted(topic="All_SalesOrder.DLQ", code="VersionConflict"), True),
        (Wanted(code="Other"), False),
        (Wanted(entity="SO-2"), True),
        (Wanted(entity="SO-1"), False),
    ):
        assert wanted.meets(one) is meets
