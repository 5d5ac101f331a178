"""Request bodies about refunds, and the search for card numbers in them."""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from web.certificates_models import (
    Amount,
    Body,
    CertificateId,
    Contact,
    Phone,
    ShownCode,
    Text64,
    Text128,
)

Method = Literal["OriginalPayment", "BankTransfer", "FastPayments", "Cash"]
_WITH_DETAILS = {"BankTransfer": ("holder", "account", "bic"), "FastPayments": ("phone", "bank")}
_SEPARATOR = re.compile(r"[\s-]+")
_RUN = re.compile(r"\d+(?:[\s-]+\d+)*")
_CARD_LENGTHS = range(13, 20)


class Details(Body):
    """BankTransfer: holder, account, bic; FastPayments: phone, bank."""

    holder: Text128 | None = None
    account: Annotated[str, Field(pattern=r"^[A-Z0-9]{5,34}$")] | None = None
    bic: Text64 | None = None
    phone: Phone | None = None
    bank: Text128 | None = None


class RefundDetails(Body):
    """`details` belong to BankTransfer and FastPayments, and only to them."""

    method: Method
    details: Details | None = None

    @model_validator(mode="after")
    def _has_what_the_method_needs(self) -> Self:
        needed = set(_WITH_DETAILS.get(self.method, ()))
        given = self.details.model_dump(exclude_none=True).keys() if self.details else set()
        if needed != given:
            names = ", ".join(sorted(needed)) or "no members"
            raise ValueError(f"details for {self.method} take {names}")
        return self


class RefundOfCode(RefundDetails):
    channel: Literal["POS", "WEB", "OPERATOR"]
    expected_amount: Annotated[int, Field(ge=0)] | None = None
    contact: Contact | None = None


class RefundRequest(RefundOfCode):
    """By `code`; an operator may name the certificate instead, with a reason."""

    code: ShownCode | None = None
    certificate_id: CertificateId | None = None
    reason: Text128 | None = None

    @model_validator(mode="after")
    def _names_one_certificate(self) -> Self:
        if (self.code is None) == (self.certificate_id is None):
            raise ValueError("exactly one of code and certificateId is required")
        if self.certificate_id is not None and self.reason is None:
            raise ValueError("reason is required with certificateId")
        return self


class CancelRefund(Body):
    reason: Text128 | None = None


class Resolve(Body):
    """`amount`: what was really paid, with `Settled` only."""

    outcome: Literal["Settled", "Failed"]
    amount: Amount | None = None
    reason: Text128

    @model_validator(mode="after")
    def _amount_goes_with_settled(self) -> Self:
        if (self.outcome == "Settled") == (self.amount is None):
            raise ValueError("amount is required with Settled and refused with Failed")
        return self


def holds_card_number(text: str) -> bool:
    """True if neighbouring groups of digits could be a payment card: 13 to 19, Luhn-valid."""
    runs = _RUN.findall(unicodedata.normalize("NFKC", text))
    return any(_looks_like_card(digits) for run in runs for digits in _neighbours(run))


def _neighbours(run: str) -> Iterator[list[int]]:
    groups = _SEPARATOR.split(run)
    for first, last in itertools.combinations(range(len(groups) + 1), 2):
        yield [int(digit) for digit in "".join(groups[first:last])]


def _looks_like_card(digits: list[int]) -> bool:
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) in _CARD_LENGTHS and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
