"""Answers of the three systems, shaped as each of them shapes its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

NO_STORE = {
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Pragma": "no-cache",
    "X-Frame-Options": "DENY",
}
SUZ_INVALID_ORDER = 3370
SUZ_FOREIGN_TOKEN = 1140
SUZ_FIELD = 1010
SUZ_LIMIT = 1500


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status < 300


class RefusedError(Exception):
    """A request that the emulated system refuses; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, msgspec.json.encode(value), headers=named)


def as_text(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), "text/plain")


def xml_unauthorized(error: str, description: str) -> Answer:
    name = "InvalidTokenException" if error == "invalid_token" else "UnauthorizedException"
    text = (
        f"<{name}><error>{error}</error>"
        f"<error_description>{description}</error_description></{name}>"
    )
    return Answer(401, text.encode(), "application/xml")


def html(status: int, title: str) -> Answer:
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, page.encode(), "text/html")


def true_api_refusal(status: int, text: str) -> RefusedError:
    return RefusedError(as_json({"error_message": text}, status))


def nk_refusal(status: int, text: str, version: int = 3) -> RefusedError:
    return RefusedError(as_json({"apiversion": version, "error_message": text}, status))


def suz_refusal(status: int, text: str, code: int) -> RefusedError:
    problem = {"error": text, "errorCode": code}
    body = {"success": False, "fieldErrors": [], "globalErrors": [problem]}
    return RefusedError(as_json(body, status))


def suz_field_refusal(problems: list[tuple[str, str]]) -> RefusedError:
    """400 with one entry per (field, reason)."""
    fields = [
        {"fieldName": name, "fieldError": text, "errorCode": SUZ_FIELD} for name, text in problems
    ]
    return RefusedError(as_json({"success": False, "fieldErrors": fields, "globalErrors": []}, 400))
