"""What reads of the mart look like; money in minor units."""

from typing import Any

from pydantic import AwareDatetime

from web.answers import Answer


class Operations(Answer):
    certificate_id: str
    as_of: AwareDatetime | None
    operations: list[dict[str, Any]]
    next: str | None = None


class Certificates(Answer):
    as_of: AwareDatetime | None
    certificates: list[dict[str, Any]]
    next: str | None = None


class Report(Answer):
    name: str
    as_of: AwareDatetime | None
    rows: list[dict[str, Any]]
