"""Switches, delays and limits of one participant, as the control interface sets them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True)


class Delays(BaseModel):
    """Nominal seconds after the request (`code_applied`: after the hand-out)."""

    model_config = STRICT
    pending: float = Field(2, ge=0)
    active: float = Field(5, ge=0)
    document: float = Field(3, ge=0)
    applied: float = Field(3, ge=0)
    report: float = Field(3, ge=0)


class Limits(BaseModel):
    model_config = STRICT
    nk_method: int = Field(100, ge=1)
    nk_total: int = Field(500, ge=1)
    true_api_rps: int = Field(50, ge=1)
    suz_rps: int = Field(10, ge=1)
    queued_orders: int = Field(100, ge=1)
    active_orders: int = Field(100, ge=1)


class Lifetimes(BaseModel):
    """Nominal seconds a challenge and a token live."""

    model_config = STRICT
    challenge: float = Field(600, gt=0)
    token: float = Field(36_000, gt=0)


class Switches(BaseModel):
    model_config = STRICT
    preorder_documents: Literal["accept", "reject"] = "accept"
    lp_reports: Literal["accept", "refuse"] = "accept"
    signature_check: Literal["async", "sync", "off"] = "async"
    drain_close_delay_s: float = Field(30, ge=0)
    empty_active_s: float = Field(0, ge=0)
    buffer_key_missing: bool = False
    fewer_codes_than_asked: bool = False
    sender_inn_required: bool = True
    require_published_card: bool = True
    create_method_required: bool = True
    trusted_issuer_required: bool = True
    orders_search: bool = True
    expired_date_as_text: bool = False
    idle_close_48h: bool = False
    delays: Delays = Delays()
    limits: Limits = Limits()
    lifetimes: Lifetimes = Lifetimes()


def changed(switches: Switches, patch: dict[str, object]) -> Switches:
    """`switches` with the named fields of `patch`, nested groups field by field."""
    current = switches.model_dump()
    for name, value in patch.items():
        nested = current.get(name)
        if name == "empty_active":
            current["empty_active_s"] = 5.0 if value is True else value or 0
        elif isinstance(nested, dict) and isinstance(value, dict):
            current[name] = nested | value
        else:
            current[name] = value
    return Switches.model_validate(current)
