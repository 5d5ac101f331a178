"""Sale messages at the door: what is ours, what is faulty, what is sealed."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.certificates.inbound import MESSAGE_MAX, Fault, NotOurs, Translated
from app.certificates.notify.contacts import open_contact
from app.certificates.sealing import contact_place
from app.domain.certificates.commands import ApplySalesOrder, SaleLine
from tests.flows.certificates.foreign import (
    ABSENT,
    CODE,
    ORIGIN,
    OTHER_CODE,
    PHONE,
    SEALER,
    id_of,
    line,
    sale,
    sales,
)

PLAIN = CODE.replace("-", "")


def applied(value: bytes, unit: str = "minor") -> ApplySalesOrder:
    (told,) = commands(sales(unit).translate(value, ORIGIN))
    key, command = told
    assert key == "SO-1001"
    assert isinstance(command, ApplySalesOrder)
    return command


def commands(translated: Translated) -> list[tuple[str, Any]]:
    assert isinstance(translated, list)
    return translated


def only_line(*lines: dict[str, Any], **more: Any) -> SaleLine:
    return applied(sale(*lines, **more)).lines[0]


def test_the_documented_message() -> None:
    command = applied(sale())
    assert (command.version, command.occurred_at) == (1, 1_788_166_800_000)
    assert (command.order_status, command.store_id, command.channel) == ("Confirmed", "S17", "WEB")
    assert command.origin == ORIGIN
    (sold,) = command.lines
    assert (sold.certificate_id, sold.last4) == (id_of(CODE), "R6N4")
    assert (sold.nominal, sold.price, sold.delivery, sold.fault) == (300_000, 300_000, "SMS", None)


def test_without_a_version_the_time_serves() -> None:
    assert applied(sale(version=ABSENT)).version == 1_788_166_800_000


def test_code_and_contact_are_only_in_the_box() -> None:
    sold = only_line()
    assert sold.sealed is not None
    contact = open_contact(SEALER, sold.sealed, contact_place("SO-1001", "1"))
    assert (contact.code, contact.phone, contact.lang) == (PLAIN, PHONE, "ru")
    packed = msgspec.msgpack.encode(applied(sale()))
    assert PLAIN.encode() not in packed
    assert PHONE.encode() not in packed


def test_the_same_message_is_the_same_content_although_sealed_anew() -> None:
    one, other = applied(sale()), applied(sale())
    assert one.lines[0].sealed != other.lines[0].sealed
    assert one.body_hash == other.body_hash
    assert one.lines[0].content == other.lines[0].content


@pytest.mark.parametrize(
    "other",
    [
        sale(line(nominal=1)),
        sale(line(code=OTHER_CODE)),
        sale(buyer={"phone": "+79990000002", "lang": "ru"}),
        sale(orderStatus="Cancelled"),
        sale(line(delivery="NONE")),
        sale(line(), line(orderLineId="2", code=OTHER_CODE)),
        sale(line(code="?")),
    ],
)
def test_other_content_has_another_mac(other: bytes) -> None:
    assert applied(other).body_hash != applied(sale()).body_hash


@pytest.mark.parametrize(
    ("told", "delivery", "phone", "email"),
    [
        ({}, "SMS", PHONE, None),
        ({"delivery": "NONE"}, "NONE", None, None),
        ({"recipient": {"phone": "+4912345678"}}, "SMS", "+4912345678", None),
        ({"delivery": "EMAIL", "recipient": {"email": "a@b.ru"}}, "EMAIL", None, "a@b.ru"),
        ({"delivery": "EMAIL"}, "EMAIL", None, None),
    ],
)
def test_the_way_of_the_code(
    *, told: dict[str, Any], delivery: str, phone: str | None, email: str | None
) -> None:
    sold = only_line(line(**told))
    assert sold.delivery == delivery
    if phone is None and email is None:
        assert sold.sealed is None
    else:
        assert sold.sealed is not None
        contact = open_contact(SEALER, sold.sealed, contact_place("SO-1001", "1"))
        assert (contact.phone, contact.email) == (phone, email)


def test_without_any_phone_nothing_is_delivered_by_default() -> None:
    assert only_line(buyer=ABSENT).delivery == "NONE"


def test_a_line_may_name_the_certificate_instead_of_its_code() -> None:
    sold = only_line(line(code=ABSENT, certificateId=id_of(CODE)))
    assert (sold.certificate_id, sold.last4, sold.fault) == (id_of(CODE), None, None)
    assert sold.sealed is not None
    assert open_contact(SEALER, sold.sealed, contact_place("SO-1001", "1")).code is None


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"code": "GC7K-2M9T-XQ4P-0D8V-R6N5"}, "CodeMalformed"),
        ({"code": 17}, "CodeMalformed"),
        ({"code": ABSENT}, "CodeMalformed"),
        ({"code": "123456789"}, "CodeMalformed"),
        ({"code": ABSENT, "certificateId": "gc_x"}, "CodeMalformed"),
        ({"certificateId": id_of(OTHER_CODE)}, "CodeMalformed"),
        ({"nominal": 0}, "AmountInvalid"),
        ({"nominal": -1}, "AmountInvalid"),
        ({"nominal": 1.5}, "AmountInvalid"),
        ({"nominal": "300000"}, "AmountInvalid"),
        ({"nominal": True}, "AmountInvalid"),
        ({"nominal": ABSENT}, "AmountInvalid"),
        ({"nominal": 10**30}, "AmountInvalid"),
        ({"price": -1}, "AmountInvalid"),
        ({"currency": "ZZZ"}, "CurrencyUnknown"),
        ({"currency": ABSENT}, "CurrencyUnknown"),
        ({"currency": ["RUB"]}, "CurrencyUnknown"),
    ],
)
def test_a_fault_inside_one_line_refuses_that_line_alone(told: dict[str, Any], fault: str) -> None:
    if told.get("nominal") == 10**30:
        value = sale(line(), line(orderLineId="2", code=OTHER_CODE)).replace(
            b'"nominal":300000', b'"nominal":' + b"9" * 30, 1
        )
    else:
        value = sale(line(**told), line(orderLineId="2", code=OTHER_CODE))
    bad, good = applied(value).lines
    assert (bad.fault, bad.certificate_id, bad.sealed) == (fault, None, None)
    assert good.fault is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (sale(orderId=ABSENT), "orderId"),
        (sale(orderId=""), "orderId"),
        (sale(orderId="x" * 65), "orderId"),
        (sale(orderId=5), "orderId"),
        (sale(orderId="a\nb"), "orderId"),
        (sale(occurredAt="yesterday"), "occurredAt"),
        (sale(occurredAt="2026-08-31T09:00:00"), "occurredAt"),
        (sale(occurredAt="1969-08-31T09:00:00Z"), "occurredAt"),
        (sale(occurredAt=ABSENT), "occurredAt"),
        (sale(version=-1), "version"),
        (sale(version="2"), "version"),
        (sale(orderStatus="Shipped"), "orderStatus"),
        (sale(certificateLines={}), "certificateLines"),
        (sale(*[line(orderLineId=str(n)) for n in range(501)]), "certificateLines"),
        (sale(line(), line()), "orderLineId"),
        (sale(line(orderLineId=ABSENT)), "orderLineId"),
        (sale(line(delivery="PIGEON")), "delivery"),
        (sale(line(recipient={"phone": "8 999"})), "recipient.phone"),
        (sale(buyer={"phone": "12"}), "buyer.phone"),
        (sale(buyer={"email": "nobody"}), "buyer.email"),
        (sale(buyer={"lang": "русский"}), "buyer.lang"),
    ],
)
def test_a_faulty_message_is_a_dead_letter_that_names_the_field(value: bytes, field: str) -> None:
    fault = sales().translate(value, ORIGIN)
    assert isinstance(fault, Fault)
    assert fault.stage == "VALIDATE"
    assert field in fault.reason
    for secret in (CODE, PLAIN, PHONE, "8 999", "nobody", "PIGEON", "Shipped", "yesterday"):
        assert secret not in fault.reason


@pytest.mark.parametrize(
    "value", [b"", b"no json", sale()[:-1], b"\xff\xfe", b'{"orderId":"\xff"}', b"[" * 10_000]
)
def test_what_is_no_json_is_a_dead_letter(value: bytes) -> None:
    fault = sales().translate(value, ORIGIN)
    assert isinstance(fault, Fault)
    assert fault.stage == "DECODE"


def test_a_message_of_over_a_megabyte_is_a_dead_letter() -> None:
    fault = sales().translate(sale(padding="x" * MESSAGE_MAX), ORIGIN)
    assert isinstance(fault, Fault)
    assert fault.code == "BodyTooLarge"


@pytest.mark.parametrize(
    "value",
    [
        sale(certificateLines=ABSENT),
        sale(certificateLines=None),
        sale(certificateLines=ABSENT, orderId=7, version="new"),
        b'{"positions":[1,2,3]}',
        b"[]",
    ],
)
def test_a_sale_without_certificate_lines_is_not_ours_valid_or_not(value: bytes) -> None:
    assert sales().translate(value, ORIGIN) == NotOurs("NoCertificateSection")


def test_an_empty_list_is_ours() -> None:
    assert applied(sale(certificateLines=[])).lines == ()


@pytest.mark.parametrize(
    ("nominal", "currency", "minor"),
    [
        ("3000.00", "RUB", 300_000),
        ("3000", "RUB", 300_000),
        ("3000", "JPY", 3_000),
        ("1.234", "KWD", 1_234),
        ("3000.0", "RUB", None),
        ("3000.5", "JPY", None),
        ("3 000", "RUB", None),
        ("-3", "RUB", None),
        ("1e3", "RUB", None),
        ("٣", "RUB", None),
        (3_000, "RUB", None),
    ],
)
def test_decimal_amounts_have_the_digits_of_their_currency(
    nominal: str | int, currency: str, minor: int | None
) -> None:
    sold = applied(sale(line(nominal=nominal, currency=currency)), "decimal").lines[0]
    assert (sold.nominal or None) == minor
    assert sold.fault == (None if minor else "AmountInvalid")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
names = st.sampled_from(["orderId", "version", "occurredAt", "buyer", "storeId", "orderStatus"])
line_names = st.sampled_from(["code", "nominal", "price", "currency", "delivery", "recipient"])


@given(st.dictionaries(names, json_values), st.dictionaries(line_names, json_values))
def test_whatever_stands_in_the_fields_has_an_outcome_that_can_be_stored(
    members: dict[str, Any], told: dict[str, Any]
) -> None:
    outcome = sales().translate(sale(line(**told), **members), ORIGIN)
    if isinstance(outcome, list):
        for key, command in outcome:
            packed = msgspec.msgpack.encode(command)
            assert msgspec.msgpack.decode(packed, type=ApplySalesOrder) == command
            assert key.encode()
    else:
        assert isinstance(outcome, Fault)
        assert outcome.reason.encode()
