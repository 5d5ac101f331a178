"""The loader's hand on the public endpoint: patient where the contract says ask again."""

import asyncio
from typing import Any

import httpx

from app.certificates.load_file import LoadFailed

PATIENCE_S = 300.0
PAUSE_MOST_S = 5.0
ANSWER_S = 60.0
AGAIN = {429, 502, 503, 504}
UPLOAD = "/certificates/upload/batch"
PAGE = 1_000
LOST = "CodesAlreadyShown"


class CodesLost(Exception):
    """The codes of this chunk were shown to nobody who kept them."""


class BatchClient:
    """`authorization`: the header's value of a client with scope loader."""

    def __init__(
        self, url: str, authorization: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        headers = {"Authorization": authorization}
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=ANSWER_S, transport=transport
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def progress(self, batch_id: str) -> dict[str, Any] | None:
        """None: nothing of the batch has arrived yet."""
        response = await self._patiently("GET", f"/certificates/batches/{_quoted(batch_id)}")
        return None if response.status_code == 404 else _answered(response)

    async def rejected(self, batch_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        path, after = f"/certificates/batches/{_quoted(batch_id)}/rows", -1
        while True:
            query: dict[str, Any] = {"outcome": "rejected", "limit": PAGE}
            if after >= 0:
                query["after"] = after
            page = _answered(await self._patiently("GET", path, params=query))
            rows += page["rows"]
            if "next" not in page:
                return rows
            after = page["next"]

    async def upload(
        self, content: bytes, media: str, *, key: str, query: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": key, "Content-Type": media}
        return _answered(
            await self._patiently("POST", UPLOAD, content=content, headers=headers, params=query)
        )

    async def generate(self, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        """Raises CodesLost."""
        headers = {"Idempotency-Key": key}
        response = await self._patiently("POST", UPLOAD, json=body, headers=headers)
        if response.status_code == 409 and response.json()["code"] == LOST:
            raise CodesLost
        return _answered(response)

    async def cancel(self, batch_id: str, chunk: int, *, attempt: int) -> dict[str, Any]:
        path = f"/certificates/batches/{_quoted(batch_id)}/chunks/{chunk}/cancel"
        body = {"attempt": attempt, "reason": "the answer with the codes was lost"}
        headers = {"Idempotency-Key": f"{batch_id}:{chunk}:{attempt}:cancel"}
        return _answered(await self._patiently("POST", path, json=body, headers=headers))

    async def _patiently(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Asks again, same key, while nobody can say what happened; at most five minutes."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE_S, 0.2
        while True:
            try:
                response = await self._http.request(method, path, **request)
                cause = _again(response)
            except httpx.TransportError as error:
                cause = type(error).__name__
            if cause is None:
                return response
            if loop.time() > deadline:
                raise LoadFailed(f"no clear answer within {PATIENCE_S:.0f} s: {cause}")
            await asyncio.sleep(pause)
            pause = min(PAUSE_MOST_S, pause * 2)


def _again(response: httpx.Response) -> str | None:
    """Why it has to be asked again, None if the answer is clear."""
    if response.status_code in AGAIN:
        return f"{response.status_code}"
    if response.status_code == 409 and response.json().get("code") == "RequestInFlight":
        return "RequestInFlight"
    return None


def _answered(response: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.json()
    if response.is_success:
        return answer
    details = answer.get("errors") or answer.get("detail") or ""
    raise LoadFailed(f"{response.status_code} {answer.get('code')} {details}".strip())


def _quoted(text: str) -> str:
    return str(httpx.URL("http://x/").copy_with(path=f"/{text}").raw_path.decode()[1:])
