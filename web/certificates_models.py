"""Request bodies about certificates and holds."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

MONEY_MAX = 10**15

Text64 = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text128 = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
ShownCode = Annotated[
    str, Field(min_length=1, max_length=256, examples=["GC7K-2M9T-XQ4P-0D8V-R6N4"])
]
CertificateId = Annotated[str, Field(pattern=r"^gc_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
Amount = Annotated[int, Field(gt=0, le=MONEY_MAX, description="minor units")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])]


class Body(BaseModel):
    """Strict: an unknown member or a number written as text is refused, not guessed at."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
    )


class Lookup(Body):
    code: ShownCode


class SaleCheck(Body):
    code: ShownCode
    order_id: Text64
    order_line_id: Text64
    nominal: Amount
    currency: Currency
    reserve_seconds: Annotated[int, Field(ge=0, le=7_200)] = 1_800


class SaleRelease(Body):
    code: ShownCode
    order_id: Text64
    order_line_id: Text64


class Authorization(Body):
    """`reference`: the caller's own operation number, by default the `Idempotency-Key`."""

    code: ShownCode
    amount: Amount
    currency: Currency
    reference: Text64 | None = None
    partial_approval: bool = False
    hold_seconds: Annotated[int, Field(ge=1)] | None = None


class Capture(Body):
    """No `amount`: the whole rest; not `final`: what is left stays held."""

    amount: Amount | None = None
    final: bool = True
    receipt_number: Text64 | None = None


class Restore(Body):
    amount: Amount
    receipt_number: Text64 | None = None


class Void(Body):
    """Takes no members: the whole rest is freed."""


class Reversal(Body):
    code: ShownCode | None = None
    certificate_id: CertificateId | None = None
    reference: Text64
    occurred_at: AwareDatetime

    @model_validator(mode="after")
    def _names_one_certificate(self) -> Self:
        if (self.code is None) == (self.certificate_id is None):
            raise ValueError("exactly one of code and certificateId is required")
        return self


class Block(Body):
    reason: Text128
    freeze_holds: bool = False


class Reason(Body):
    reason: Text128


class Extend(Body):
    valid_until: AwareDatetime
    reason: Text128


Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164")]
Email = Annotated[
    str, Field(max_length=128, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")
]


class Contact(Body):
    phone: Phone | None = None
    email: Email | None = None
    lang: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "ru"

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        if self.phone is None and self.email is None:
            raise ValueError("phone or email is required")
        return self


class SupplyContact(Body):
    contact: Contact | None = None
    without_notification: Literal[True] | None = None
    reason: Text128

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.contact is None) == (self.without_notification is None):
            raise ValueError("exactly one of contact and withoutNotification is required")
        return self


class Resend(Body):
    """Takes no members: the message goes to the contact of the sale."""
