"""Two workers over one lawful ledger, asked in turn."""

from typing import Any

from tests.http.law import LawfulLedger
from tests.http.worker import CODE, Answered, Server

HOLDS = "/certificates/authorizations"
BODY = {"reference", "partialApproval", "holdSeconds"}


class Pair:
    """Two workers; the first owns every key, the second forwards to it."""

    def __init__(self, ledger: LawfulLedger, owner: Server, *, other: Server, key: str) -> None:
        self.ledger = ledger
        self.workers = (owner, other)
        self.key = key
        self._asked = 0

    async def post(self, path: str, body: Any = None, **more: Any) -> Answered:
        """Each request goes to the other worker, under a key of its own unless one is given."""
        self._asked += 1
        more.setdefault("key", f"key-{self._asked}")
        return await self.workers[self._asked % 2].post(path, body, **more)

    async def authorize(self, amount: int, **more: Any) -> Answered:
        members = {name: more.pop(name) for name in tuple(more) if name in BODY}
        body = {"code": CODE, "amount": amount, "currency": "RUB", **members}
        return await self.post(HOLDS, body, **more)

    async def available(self) -> tuple[int, int]:
        answers = [
            (await worker.post("/certificates/lookup", {"code": CODE})).json
            for worker in self.workers
        ]
        assert answers[0] == answers[1]
        return answers[0]["available"], answers[0]["held"]
