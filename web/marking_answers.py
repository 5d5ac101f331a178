"""What successful answers of the marking API look like; the document describes them by these."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Hold(Answer):
    kind: str
    code: str
    text: str


class Line(Answer):
    gtin: str
    quantity: int
    stored: int
    issued: int
    malformed: int
    missing: int
    buffer: str | None
    rejection_reason: str | None
    name: str | None


class Order(Answer):
    id: str
    participant_id: str
    external_id: str | None
    part: int
    batch_id: str | None
    profile: str
    status: str
    status_text: str
    hold: Hold | None
    quantity: int
    stored: int
    created_at: datetime
    version: int
    lines: list[Line]
    actions: list[str] | None = None


class CreatedOrder(Order):
    """`orders`: ids of all parts of a split, this one first."""

    orders: list[str]


class Page(Answer):
    """`next`: what `after` has to be for the next page, None on the last one."""

    items: list[dict[str, Any]]
    next: str | int | None = None


class OrdersPage(Answer):
    items: list[Order]
    next: str | None = None


class Timeline(Page):
    calls: list[dict[str, Any]]


class Issue(Answer):
    id: str
    order_id: str
    gtin: str
    kind: str
    count: int
    state: str
    codes_sha256: str
    file_sha256: str | None
    reissue_of: str | None


class SignRequest(Answer):
    id: str
    participant_id: str
    purpose: str
    state: str
    detached: bool
    payload_sha256: str
    payload: str | None
    summary: list[str]


class SignRequests(Answer):
    items: list[SignRequest]


class SignIn(Answer):
    tokens: list[dict[str, Any]]
    challenges: list[str]
    complete: bool


class Product(Answer):
    gtin: str
    card: dict[str, Any]
    flags: dict[str, Any]
    tnved: str | None
    orderable: bool
    why: list[str]


class Checked(Answer):
    items: list[dict[str, Any]]


class Status(Answer):
    participant_id: str
    tokens: list[dict[str, Any]]
    breakers: dict[str, str]
    limits: list[dict[str, Any]]


class Identifier(Answer):
    id: str


class Done(Answer):
    ok: bool


class Key(Answer):
    """Shown once."""

    key: str


class Session(Answer):
    login: str
    is_admin: bool
    csrf: str | None


class FieldError(BaseModel):
    pointer: str
    text: str


class ProblemDetails(Answer):
    """RFC 9457 with words for the operator."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[FieldError] | None = None
    order_id: str | None = None


class Document(Answer):
    id: str
    order_id: str
    purpose: str
    status: str
    errors: Any | None
    body: Any


class File(Answer):
    """Bytes of the issue: CSV, TXT or PDF."""


class Stream(Answer):
    """Server-sent events."""
