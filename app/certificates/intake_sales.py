"""From a message of `All_SalesOrder` to the command it means, secrets sealed per line."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from app.certificates.inbound import (
    UNREADABLE,
    Amounts,
    FieldFault,
    Id,
    Moment,
    NotOurs,
    Text,
    Translated,
    Version,
    faulty,
    members_of,
    milliseconds,
    printable,
    too_large,
)
from app.certificates.sealing import ContentMacs, Sealer, canonical, contact_place
from app.domain.certificates.codes import CodeFault, certificate_id, is_certificate_id, parse
from app.domain.certificates.commands import ApplySalesOrder, Origin, SaleLine, Sealed
from app.domain.certificates.currencies import MINOR_DIGITS
from app.domain.policy import Policy

ORDER_STATUSES = frozenset({"Created", "Confirmed", "Cancelled"})
DELIVERIES = frozenset({"SMS", "EMAIL", "NONE"})
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LANG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class Person(msgspec.Struct, frozen=True, gc=False):
    phone: Text | None = None
    email: Text | None = None
    lang: Text | None = None


class LineMessage(msgspec.Struct, frozen=True, rename="camel"):
    """What may be wrong in one line alone is left untyped: it must not hold up the others."""

    order_line_id: Id
    code: Any = None
    certificate_id: Any = None
    nominal: Any = None
    price: Any = None
    currency: Any = None
    delivery: Text | None = None
    recipient: Person | None = None


class SaleMessage(msgspec.Struct, frozen=True, rename="camel"):
    order_id: Id
    occurred_at: Moment
    order_status: Text
    version: Version | None = None
    store_id: Id | None = None
    channel: Id | None = None
    buyer: Person | None = None
    certificate_lines: list[LineMessage] | None = None


class Instrument(msgspec.Struct, frozen=True):
    """What a line sells: `code` in clear stays here and in the sealed box."""

    certificate_id: str
    last4: str | None
    code: str | None


class LineFault(Exception):
    """`code`: the refusal of this line."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


_decode = msgspec.json.Decoder(SaleMessage).decode
_pack = msgspec.msgpack.Encoder().encode
_NOBODY = Person()


class SalesIntake:
    def __init__(
        self, sealer: Sealer, macs: ContentMacs, amounts: Amounts, *, pepper: bytes, policy: Policy
    ) -> None:
        self._sealer = sealer
        self._macs = macs
        self._amounts = amounts
        self._pepper = pepper
        self._policy = policy

    def translate(self, value: bytes, origin: Origin) -> Translated:
        large = too_large(value)
        if large is not None:
            return large
        try:
            message = _decode(value)
            if message.certificate_lines is None:
                return NotOurs("NoCertificateSection")
            command = self._understood(message, message.certificate_lines, origin)
        except (*UNREADABLE, FieldFault) as error:
            return _misunderstood(value, error)
        return [(message.order_id, command)]

    def _understood(
        self, message: SaleMessage, lines: list[LineMessage], origin: Origin
    ) -> ApplySalesOrder:
        self._check(message, lines)
        occurred_at = milliseconds(message.occurred_at, "occurredAt")
        buyer = message.buyer or _NOBODY
        sold = tuple(self._line(message.order_id, line, buyer) for line in lines)
        sale = ApplySalesOrder(
            occurred_at if message.version is None else message.version,
            occurred_at,
            message.order_status,
            message.store_id,
            message.channel,
            tuple(msgspec.structs.replace(line, sealed=None) for line in sold),
            b"",
        )
        mac = self._macs.of_bytes(_pack(sale))
        return msgspec.structs.replace(sale, lines=sold, body_hash=mac, origin=origin)

    def _check(self, message: SaleMessage, lines: list[LineMessage]) -> None:
        if message.order_status not in ORDER_STATUSES:
            raise FieldFault("orderStatus", f"one of {sorted(ORDER_STATUSES)} is expected")
        if len(lines) > self._policy.lines_max:
            raise FieldFault("certificateLines", f"at most {self._policy.lines_max} are expected")
        if len({line.order_line_id for line in lines}) < len(lines):
            raise FieldFault("certificateLines[].orderLineId", "stands twice")
        printable((("orderId", message.order_id), ("storeId", message.store_id)))
        printable(("certificateLines[].orderLineId", line.order_line_id) for line in lines)
        _check_person(message.buyer, "buyer")
        for line in lines:
            if line.delivery is not None and line.delivery not in DELIVERIES:
                field = "certificateLines[].delivery"
                raise FieldFault(field, f"one of {sorted(DELIVERIES)} is expected")
            _check_person(line.recipient, "certificateLines[].recipient")

    def _line(self, order_id: str, line: LineMessage, buyer: Person) -> SaleLine:
        try:
            instrument = self._instrument(line)
            currency = _currency(line)
            nominal, price = self._sums(line, currency)
        except LineFault as fault:
            return self._refused(line, fault.code)
        delivery, contact = _contact(line, buyer)
        secret = None
        if contact is not None:
            secret = canonical({"code": instrument.code, **contact})
        return SaleLine(
            line.order_line_id,
            instrument.certificate_id,
            instrument.last4,
            nominal,
            price,
            currency,
            delivery,
            self._sealed(order_id, line.order_line_id, secret),
            self._macs.of_bytes(secret or b""),
        )

    def _sealed(self, order_id: str, line_id: str, secret: bytes | None) -> Sealed | None:
        if secret is None:
            return None
        return self._sealer.seal(secret, contact_place(order_id, line_id))

    def _refused(self, line: LineMessage, code: str) -> SaleLine:
        told = repr((line.code, line.certificate_id, line.nominal, line.price, line.currency))
        content = self._macs.of_bytes(told.encode("utf-8", "backslashreplace"))
        return SaleLine(line.order_line_id, None, None, 0, 0, "", "NONE", None, content, fault=code)

    def _instrument(self, line: LineMessage) -> Instrument:
        named = line.certificate_id
        if line.code is None:
            if not isinstance(named, str) or not is_certificate_id(named):
                raise LineFault("CodeMalformed")
            return Instrument(named, None, None)
        code = parse(line.code) if isinstance(line.code, str) else CodeFault.MALFORMED
        if isinstance(code, CodeFault):
            raise LineFault("CodeMalformed")
        derived = certificate_id(code, self._pepper)
        if named is not None and named != derived:
            raise LineFault("CodeMalformed")
        return Instrument(derived, code.last4, code.text)

    def _sums(self, line: LineMessage, currency: str) -> tuple[int, int]:
        most = self._policy.nominal_max
        try:
            nominal = self._amounts.minor(line.nominal, currency, "nominal", most=most)
            if line.price is None:
                price = nominal
            else:
                price = self._amounts.minor(line.price, currency, "price", most=most)
        except FieldFault:
            raise LineFault("AmountInvalid") from None
        if nominal == 0:
            raise LineFault("AmountInvalid")
        return nominal, price


def _currency(line: LineMessage) -> str:
    if isinstance(line.currency, str) and line.currency in MINOR_DIGITS:
        return line.currency
    raise LineFault("CurrencyUnknown")


def _contact(line: LineMessage, buyer: Person) -> tuple[str, dict[str, str | None] | None]:
    """How the code gets to whom: the line's recipient, else the buyer."""
    recipient = line.recipient or _NOBODY
    phone, email = recipient.phone or buyer.phone, recipient.email or buyer.email
    lang = recipient.lang or buyer.lang
    delivery = line.delivery or ("SMS" if phone else "NONE")
    if delivery == "SMS" and phone:
        return delivery, {"phone": phone, "lang": lang}
    if delivery == "EMAIL" and email:
        return delivery, {"email": email, "lang": lang}
    return delivery, None


def _check_person(person: Person | None, field: str) -> None:
    if person is None:
        return
    for name, text, form in (
        ("phone", person.phone, _PHONE),
        ("email", person.email, _EMAIL),
        ("lang", person.lang, _LANG),
    ):
        if text is not None and not form.fullmatch(text):
            raise FieldFault(f"{field}.{name}", "is not of its form")


def _misunderstood(value: bytes, error: Exception) -> Translated:
    members = members_of(value)
    if not isinstance(members, Mapping):
        return members
    if members.get("certificateLines") is None:
        return NotOurs("NoCertificateSection")
    return faulty(error, members.get("orderId"))
