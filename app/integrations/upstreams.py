"""The three clients of one process, opened and closed together."""

from msgspec import Struct

from app.integrations.errors import Upstream
from app.integrations.http import UNSCALED, Times, UpstreamClient
from app.integrations.limits import Limiter
from app.integrations.observing import Observer


class Addresses(Struct, frozen=True, kw_only=True):
    """Origins without a path; one sandbox may stand behind all three."""

    nk: str
    true_api: str
    suz: str


class Upstreams:
    def __init__(
        self,
        addresses: Addresses,
        *,
        limiter: Limiter,
        observer: Observer,
        times: Times = UNSCALED,
    ) -> None:
        def client(upstream: Upstream, base_url: str) -> UpstreamClient:
            return UpstreamClient(
                upstream, base_url, limiter=limiter, observer=observer, times=times
            )

        self.nk = client(Upstream.NK, addresses.nk)
        self.true_api = client(Upstream.TRUE_API, addresses.true_api)
        self.suz = client(Upstream.SUZ, addresses.suz)

    async def aclose(self) -> None:
        for client in (self.nk, self.true_api, self.suz):
            await client.aclose()
