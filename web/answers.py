"""What successful answers look like; the edge describes them, the law makes them."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="allow")


class Hold(Answer):
    authorization_id: str
    state: Literal["Held", "Captured", "Voided", "Expired", "Reversed"]
    reference: str | None = None
    approved: int
    captured: int
    restored: int
    rest: int
    expires_at: AwareDatetime


class Found(Answer):
    certificate_id: str
    status: str
    last4: str
    currency: str
    nominal: int
    available: int
    held: int
    valid_until: AwareDatetime | None = None
    holds: list[dict[str, Any]] = []


class State(Answer):
    certificate_id: str
    status: str


class SaleChecked(Answer):
    certificate_id: str
    status: str
    reserved_until: AwareDatetime | None = None


class Authorized(Answer):
    authorization_id: str
    certificate_id: str
    approved: int
    partial: bool
    available: int
    currency: str
    expires_at: AwareDatetime


class HoldChanged(Answer):
    authorization_id: str
    state: str
    captured: int
    restored: int
    rest: int
    available: int
    currency: str
    late: bool | None = None


class Reversed(Answer):
    outcome: Literal["reversed", "nothingToReverse", "alreadyReversed", "remembered"]


class Refund(Answer):
    refund_request_id: str
    status: str
    amount: int
    currency: str
    due_at: AwareDatetime | None = None


class Order(Answer):
    order_id: str
    settled: bool
    unapplied: int
    lines: list[dict[str, Any]]


class Line(Answer):
    order_id: str
    order_line_id: str


class FieldError(BaseModel):
    pointer: str
    detail: str


class ProblemDetails(Answer):
    """RFC 9457; `code` is stable, further members depend on it."""

    type: str
    title: str
    status: int
    code: str
    instance: str
    detail: str | None = None
    errors: list[FieldError] | None = None
