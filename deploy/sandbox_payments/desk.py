"""The refund desk: what was asked, how it is treated, what was said and paid."""

import random
from dataclasses import dataclass, field
from typing import Any

from deploy.sandbox_payments.manners import ANY, FAILED, MANNERS, NAMES, SETTLED, Word


class WrongRequest(Exception):
    """The text says what is wrong with a control request."""


@dataclass(slots=True)
class Request:
    """One refund request; `attempts`: those heard, each once; `asks` counts repetitions too."""

    id: str
    certificate_id: str
    order_id: str
    order_line_id: str
    amount: int
    currency: str
    method: str
    manner: str = ""
    sealed: bool = False
    asks: int = 0
    cancelled: bool = False
    attempts: list[int] = field(default_factory=list)
    said: list[Word] = field(default_factory=list)

    @property
    def paid(self) -> int:
        """Money leaves once per attempt, and is back if a newer word says that it failed."""
        return sum(self._paid(attempt) for attempt in {word.attempt for word in self.said})

    def _paid(self, attempt: int) -> int:
        words = [word for word in self.said if word.attempt == attempt]
        settled = [word for word in words if word.status == SETTLED]
        if not settled:
            return 0
        first = min(settled, key=lambda word: word.version)
        bounced = any(w.status == FAILED and w.version > first.version for w in words)
        return 0 if bounced else self.amount - settled[0].short

    def view(self) -> dict[str, Any]:
        words = [f"{word.status} {word.attempt}.{word.version}" for word in self.said]
        return {
            "refundRequestId": self.id,
            "certificateId": self.certificate_id,
            "amount": self.amount,
            "method": self.method,
            "manner": self.manner,
            "sealedDetails": self.sealed,
            "asks": self.asks,
            "attempts": self.attempts,
            "cancelled": self.cancelled,
            "said": words,
            "paid": self.paid,
        }


class Desk:
    """Deterministic: the same seed, manners and requests give the same words."""

    def __init__(self, seed: int, manner: str) -> None:
        self.requests: dict[str, Request] = {}
        self._seed = seed
        self._manner = known(manner)
        self._of_certificate: dict[str, str] = {}

    def set_manner(self, manner: str, certificate_id: str | None) -> None:
        if certificate_id is None:
            self._manner = known(manner)
        else:
            self._of_certificate[certificate_id] = known(manner)

    def hear(self, data: dict[str, Any]) -> tuple[Request, tuple[Word, ...]]:
        """What is to be said of a message of GiftCertificateRefundRequests."""
        request = self._noted(data)
        if data["action"] == "Cancel":
            request.cancelled = True
            return request, ()
        request.asks += 1
        attempt = int(data["attempt"])
        if attempt in request.attempts and any(w.attempt == attempt for w in request.said):
            return request, ()
        if attempt not in request.attempts:
            request.attempts.append(attempt)
        request.method = data["method"]
        request.sealed = data["sealedDetails"] is not None
        dice = random.Random(f"{self._seed}/{request.id}/{attempt}")
        request.manner = self._chosen(
            request.certificate_id, random.Random(f"{self._seed}/{request.id}")
        )
        return request, MANNERS[request.manner](attempt, dice)

    def on_command(self, body: dict[str, Any]) -> tuple[Request, Word]:
        """The word that somebody wants to hear now."""
        request = self.requests.get(body.get("refundRequestId", ""))
        if request is None:
            raise WrongRequest("refundRequestId: nobody has asked for it")
        status = body.get("status")
        if not isinstance(status, str):
            raise WrongRequest("status: is missing")
        attempt = body.get("attempt") or max(request.attempts, default=1)
        spoken = [word.version for word in request.said if word.attempt == attempt]
        version = body.get("version") or max(spoken, default=0) + 1
        amount = body.get("amount") or request.amount
        short, unnamed = request.amount - amount, bool(body.get("unnamed"))
        return request, Word(status, version, attempt, short=short, unnamed=unnamed)

    def _noted(self, data: dict[str, Any]) -> Request:
        name = data["refundRequestId"]
        if name not in self.requests:
            self.requests[name] = Request(
                name,
                data["certificateId"],
                data["orderId"],
                data["orderLineId"],
                int(data["amount"]),
                data["currency"],
                data["method"],
            )
        return self.requests[name]

    def _chosen(self, certificate_id: str, dice: random.Random) -> str:
        manner = self._of_certificate.get(certificate_id, self._manner)
        return dice.choice(list(MANNERS)) if manner == ANY else manner


def known(manner: object) -> str:
    if manner not in NAMES:
        raise WrongRequest(f"manner: one of {', '.join(NAMES)} is expected")
    return str(manner)


def message(request: Request, word: Word, occurred_at: str) -> dict[str, Any]:
    """The word as a message of All_Payments."""
    amount = request.amount - word.short
    details: dict[str, Any] = {
        "attempt": word.attempt,
        "amount": amount,
        "method": request.method,
        "providerReference": f"RRN-{abs(hash_of(request.id)) % 10_000}",
    }
    if not word.unnamed:
        details["refundRequestId"] = request.id
    return {
        "orderId": request.order_id,
        "paymentId": f"{request.order_id}-R{word.attempt}",
        "version": word.version,
        "occurredAt": occurred_at,
        "paymentStatus": word.status,
        "amount": amount,
        "currency": request.currency,
        "orderLineId": request.order_line_id,
        "refundDetails": details,
    }


def hash_of(text: str) -> int:
    """The same number in every process."""
    return random.Random(text).getrandbits(32)
