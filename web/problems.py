"""Refusals as `application/problem+json` (RFC 9457) and decisions as JSON."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from app.domain.certificates import problems as catalogue
from app.domain.decision import Reply

# Refusals that only the edge knows; the catalogue has all others.
_EDGE = {
    "RouteUnknown": catalogue.Problem(404, "Route unknown"),
    "RouteMethodUnknown": catalogue.Problem(405, "Method unknown on this route"),
    "InternalError": catalogue.Problem(500, "Internal error"),
}
_RETRY_AFTER_S = {429: "60", 503: "1"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_json = msgspec.json.Encoder().encode
_SUCCESS = CIMultiDict({"Content-Type": "application/json", "Cache-Control": "no-store"})
_PROBLEM = CIMultiDict({"Content-Type": "application/problem+json", "Cache-Control": "no-store"})


class Problem(Exception):
    """A refusal of the edge; `members` stand beside the standard ones.

    `hidden`: counted and logged as what it is, shown as CertificateNotUsable.
    """

    def __init__(
        self,
        code: str,
        *,
        hidden: bool = False,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = entry(code).status
        self.hidden = hidden
        self.headers = headers or {}
        self.members = members


def entry(code: str) -> catalogue.Problem:
    return _EDGE.get(code) or catalogue.problem(code)


def invalid(pointer: str, reason: str) -> Problem:
    """400 that names one field by its JSON pointer."""
    return Problem("RequestInvalid", errors=[{"pointer": pointer, "detail": reason}])


class Renderer:
    """Makes responses; the texts that depend only on the refusal's code are made once."""

    def __init__(self, public_url: str) -> None:
        self._types = public_url.rstrip("/") + "/problems/"
        self._fixed: dict[str, dict[str, Any]] = {}

    def reply(self, reply: Reply) -> web.Response:
        """A decision: the same reply gives the same bytes, on every worker and every time."""
        if reply.code is None:
            headers = _SUCCESS.copy()
            response = web.Response(body=_json(reply.fields), status=reply.status, headers=headers)
        else:
            response = self._problem(reply.code, reply.instance, reply.fields)
        if reply.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return response

    def problem(self, problem: Problem, instance: str) -> web.Response:
        response = self._problem(problem.code, instance, problem.members)
        response.headers.update(problem.headers)
        return response

    def _problem(self, code: str, instance: str, members: Mapping[str, Any]) -> web.Response:
        fixed = self._fixed.get(code)
        if fixed is None:
            known, name = entry(code), _CAMEL.sub("-", code).lower()
            fixed = {"type": self._types + name, "title": known.title, "status": known.status}
            self._fixed[code] = fixed
        status = fixed["status"]
        body = _json({**fixed, "code": code, "instance": instance, **members})
        response = web.Response(body=body, status=status, headers=_PROBLEM.copy())
        if status in _RETRY_AFTER_S:
            response.headers["Retry-After"] = _RETRY_AFTER_S[status]
        return response
