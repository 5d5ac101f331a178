"""Steps the runner can take for an order; `decide` picks exactly one."""

import msgspec

from app.domain.marking.document import DocumentPurpose
from app.domain.marking.order import Cause, Hold, OrderStatus
from app.domain.marking.view import Operation


class Intent(msgspec.Struct, frozen=True):
    operation: Operation
    subject_id: str


class Check(msgspec.Struct, frozen=True):
    """Ask the catalogue whether the goods are marked, then freeze all bytes."""


class Move(msgspec.Struct, frozen=True):
    """Go to `target` and plan the intents in the same transaction."""

    target: OrderStatus
    cause: Cause = Cause.WORKER
    plan: tuple[Intent, ...] = ()
    reason: str | None = None


class Sign(msgspec.Struct, frozen=True):
    """Let the automatic signer sign the frozen bytes of the subject."""

    subject_id: str
    operation: Operation


class Plan(msgspec.Struct, frozen=True):
    intent: Intent


class Send(msgspec.Struct, frozen=True):
    call_id: str
    operation: Operation


class Doubt(msgspec.Struct, frozen=True):
    """A claim without a live lease: nobody knows whether the request went out."""

    call_id: str


class Lookup(msgspec.Struct, frozen=True):
    """Ask the foreign side whether the doubtful call happened."""

    call_id: str
    operation: Operation


class Collect(msgspec.Struct, frozen=True):
    """One pass over a buffer: counters, lost blocks, then the next block."""

    gtin: str


class Observe(msgspec.Struct, frozen=True):
    """Read the present state of the order at the station."""


class FreezeClose(msgspec.Struct, frozen=True):
    pass


class FreezeDocuments(msgspec.Struct, frozen=True):
    purpose: DocumentPurpose


class FreezeReport(msgspec.Struct, frozen=True):
    kind: str


class Resend(msgspec.Struct, frozen=True):
    """A technical error: the same document bytes again as a new attempt."""

    document_id: str


class RefreshCodes(msgspec.Struct, frozen=True):
    """Ask for the states of the codes; `due` when it is too early."""


class Pause(msgspec.Struct, frozen=True):
    """Set a hold and wait for whoever clears it; `reason`: in words, beside the code's own."""

    hold: Hold
    code: str
    until: int | None = None
    reason: str | None = None


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do before `until` (ms UTC); None: until somebody wakes the order."""

    until: int | None = None


Step = (
    Check
    | Move
    | Sign
    | Plan
    | Send
    | Doubt
    | Lookup
    | Collect
    | Observe
    | FreezeClose
    | FreezeDocuments
    | FreezeReport
    | Resend
    | RefreshCodes
    | Pause
    | Wait
)
QUIET = (Move, Doubt, Lookup, Wait, Pause)
