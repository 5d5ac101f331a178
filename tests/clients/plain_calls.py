"""Two plain operations, one that looks and one that makes something, to try the way out with."""

from app.integrations.answers import read_json
from app.integrations.errors import RetryClass, Upstream
from app.integrations.redaction import Secret
from app.integrations.requests import Claim, Operation, Outgoing, by_station

READ = Operation(Upstream.SUZ, "look", RetryClass.SAFE, "GET", "/look")
WRITE = Operation(Upstream.SUZ, "make", RetryClass.RECONCILE, "POST", "/make")
STATION = by_station("participant", "oms", client_token=Secret("client-token-1"))
BODY = b'{"the":"frozen  bytes"}'


def anything(body: bytes) -> object:
    return read_json(body, dict[str, object])


def look() -> Outgoing:
    return Outgoing(READ, STATION)


def make(claim: Claim) -> Outgoing:
    return Outgoing(WRITE, STATION, body=BODY, claim=claim)
