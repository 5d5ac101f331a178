"""What every step of the flow works with, put together once per process."""

import msgspec

from app.domain.marking.view import OrderView, Rules
from app.integrations.http import UpstreamClient
from app.marking.crash import CrashPoint
from app.marking.database import Database
from app.marking.leases import Lease
from app.marking.participants import Participant
from app.marking.sealing import Sealer
from app.marking.signer import Signers
from app.marking.store import OrderRow
from app.marking.terms import Terms
from app.marking.work import Publish


class Clients(msgspec.Struct, frozen=True):
    nk: UpstreamClient
    true_api: UpstreamClient
    suz: UpstreamClient

    async def close(self) -> None:
        for client in (self.nk, self.true_api, self.suz):
            await client.aclose()


class Desk(msgspec.Struct, frozen=True):
    """`owner`: worker name and its incarnation; `compared`: participants whose station was
    compared with the database since the process started.
    """

    database: Database
    sealer: Sealer
    terms: Terms
    rules: Rules
    clients: Clients
    signers: Signers
    publish: Publish
    crash: CrashPoint
    owner: str
    compared: set[str]


class Work(msgspec.Struct, frozen=True):
    """One order under our lease, as it stands now (ms UTC of the database's clock).

    `used`: sequence of the token of each kind that the present step has sent.
    """

    lease: Lease
    row: OrderRow
    participant: Participant
    view: OrderView
    now: int
    used: dict[str, int]


class Again(msgspec.Struct, frozen=True):
    """The step is done: look at the order anew."""


class Until(msgspec.Struct, frozen=True):
    """Nothing more now; look again at `moment` (ms UTC), or when woken."""

    moment: int | None = None
    failed: bool = False


Next = Again | Until
AGAIN = Again()
