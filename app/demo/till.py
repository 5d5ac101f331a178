"""A till that pays with certificates over HTTP and repeats with the same key when unsure."""

import asyncio
import random
import uuid
from collections import Counter
from typing import Any

import httpx

from app.demo.traffic import Line

AGAIN = (502, 503, 504)
PATIENCE_S = 30.0


class Till:
    """`answers` counts what it heard, by operation and status."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self.answers: Counter[str] = Counter()
        self.repeats = 0
        self._client = client
        self._rng = random.Random(seed)  # noqa: S311 - amounts are no secret

    async def post(self, operation: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer; unclear ones are asked again with the same key until they are clear."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Store-Id": "S17", "Terminal-Id": "T1"}
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                response = await self._client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in AGAIN:
                self.answers[f"{operation} {response.status_code}"] += 1
                answer: dict[str, Any] = response.json()
                return answer
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"no clear answer to {operation} within {PATIENCE_S:.0f} s")
            self.repeats += 1
            await asyncio.sleep(0.2)

    async def pay(self, line: Line) -> None:
        """Authorize, then capture all, capture a part, void, or ask for too much."""
        amount = self._rng.randint(1, line.nominal)
        kind = self._rng.choice(("whole", "part", "void", "reverse", "too much"))
        if kind == "too much":
            amount = line.nominal + 1
        reference = str(uuid.uuid4())
        body = {"code": line.code, "amount": amount, "currency": "RUB", "reference": reference}
        hold = await self.post("authorize", "/certificates/authorizations", body)
        if "authorizationId" not in hold:
            return
        path = f"/certificates/authorizations/{hold['authorizationId']}"
        match kind:
            case "whole":
                await self.post("capture", f"{path}/capture", {})
            case "part":
                part = {"amount": max(1, amount // 2), "receiptNumber": "4711"}
                await self.post("capture", f"{path}/capture", part)
            case "void":
                await self.post("void", f"{path}/void", {})
            case "reverse":
                undo = {"code": line.code, "reference": reference, "occurredAt": hold["expiresAt"]}
                await self.post("reverse", "/certificates/reversals", undo)
