"""Faults that count matching requests, never time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

MAX_FAULTS = 1000

Action = Literal[
    "latency",
    "drop",
    "gate",
    "status",
    "truncated_json",
    "wrong_type",
    "extra_field",
    "decline",
    "reject",
    "stay",
    "verdict",
    "expire",
    "steal",
    "list_lag",
    "foreign_order",
    "surplus",
    "duplicate_code",
    "malformed_code",
    "altered_block",
    "refuse",
    "close",
]
TRANSPORT = {"latency", "drop", "gate", "status", "truncated_json", "wrong_type", "extra_field"}
AFTER = {"drop", "truncated_json", "wrong_type", "extra_field"}
NOW = {"expire", "steal", "foreign_order", "close"}


class FaultSpec(BaseModel):
    """One fault; parameters that its action does not use stay unset."""

    model_config = ConfigDict(extra="forbid", strict=True)
    operation: str
    action: Action
    match: dict[str, str | int] = Field(default_factory=dict)
    contains: str | None = None
    nth: int = Field(1, ge=1)
    times: int = Field(1, ge=0)
    when: Literal["before", "after"] | None = None
    ms: int = Field(0, ge=0, le=600_000)
    status: int = Field(500, ge=200, le=599)
    shape: Literal["json", "xml", "html", "empty"] | None = None
    retry_after_s: int | None = Field(None, ge=0)
    text: str | None = None
    gtin: str | None = None
    state: str | None = None
    for_s: float | None = Field(None, ge=0)
    errors: list[str] = Field(default_factory=list)
    count: int = Field(1, ge=1, le=1000)
    field: str | None = None
    value: Any = None
    token: Literal["true_api", "suz"] | None = None
    order_id: str | None = None
    production_order_id: str | None = None
    products: list[dict[str, Any]] = Field(default_factory=list)
    fetched: int = Field(0, ge=0)
    fetched_by: Literal["api", "ui"] = "api"

    @property
    def moment(self) -> str:
        """Losing or spoiling an answer comes after the commit, everything else before it."""
        return self.when or ("after" if self.action in AFTER else "before")


@dataclass
class Fault:
    number: int
    spec: FaultSpec
    seen: int = 0
    fired: int = 0

    def take(self, operation: str, query: Mapping[str, str], body: bytes) -> bool:
        """Counts a matching request and says whether the fault fires on it."""
        if self.spec.times and self.fired >= self.spec.times:
            return False
        if not fnmatchcase(operation, self.spec.operation):
            return False
        if not _fits(self.spec, query, body):
            return False
        self.seen += 1
        if self.seen < self.spec.nth:
            return False
        self.fired += 1
        return True


@dataclass
class FaultQueue:
    faults: list[Fault] = field(default_factory=list)
    last_number: int = 0

    def add(self, spec: FaultSpec) -> Fault:
        if len(self.faults) >= MAX_FAULTS:
            raise ValueError(f"more than {MAX_FAULTS} faults")
        self.last_number += 1
        fault = Fault(self.last_number, spec)
        self.faults.append(fault)
        return fault

    def remove(self, number: int | None) -> None:
        self.faults = [f for f in self.faults if number is not None and f.number != number]

    def take(self, operation: str, query: Mapping[str, str], body: bytes) -> list[FaultSpec]:
        return [f.spec for f in self.faults if f.take(operation, query, body)]


def _fits(spec: FaultSpec, query: Mapping[str, str], body: bytes) -> bool:
    if spec.contains is not None and spec.contains.encode() not in body:
        return False
    if not spec.match:
        return True
    document = _document(body)
    return all(
        str(query.get(name)) == str(wanted) or str(_pick(document, name)) == str(wanted)
        for name, wanted in spec.match.items()
    )


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _pick(document: Any, path: str) -> Any:
    """Value at a dotted path, list indexes as numbers."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document
