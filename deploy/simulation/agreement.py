"""What must agree when everything has arrived: ledger, public topics, orders, tills, Payments."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.domain.certificates.order_state import TIED, LineStatus, Order
from app.domain.certificates.order_turn import CERTIFICATE_UNKNOWN, QUESTIONS
from app.domain.certificates.state import Certificate, Lifecycle
from deploy.simulation.pipeline import CERTIFICATE_PREFIX, ORDER_PREFIX
from deploy.simulation.post import Broken, Public

if TYPE_CHECKING:
    from deploy.simulation.world import World

MONEY = (
    ("available", "available"),
    ("held", "held"),
    ("refundHeld", "refund_held"),
    ("loaded", "loaded"),
    ("captured", "captured"),
    ("restored", "restored"),
    ("refunded", "refunded"),
    ("writtenOff", "written_off"),
    ("shortfall", "shortfall"),
)
_WAITS = TIED | {LineStatus.AWAITING_CONTACT}
_OF_ORDERS = ("chargeback:", "payment-withdrawn:", "order-cancelled")
_TOLD = {
    "Capture": "Captured",
    "VoidHold": "Voided",
    "Restore": "Restored",
}


def check_end(world: "World") -> None:
    found = [*_public(world), *_orders(world), *_tills(world), *_payments(world)]
    if found:
        raise Broken("; ".join(found))


def _entities(world: "World", prefix: bytes) -> dict[str, Any]:
    owners = world.pipeline.owners
    return {key: state for owner in owners for key, state in owner.entities(prefix)}


def _public(world: "World") -> Iterator[str]:
    """State topics show the ledger's last word, and the deltas add up to it."""
    public = world.pipeline.public
    certificates = _entities(world, CERTIFICATE_PREFIX)
    for key, certificate in certificates.items():
        if certificate.lifecycle is not Lifecycle.ABSENT:
            yield from _published(key, certificate, public)
    for key, order in _entities(world, ORDER_PREFIX).items():
        if not order.is_stub and _shown(public.orders.get(key)) != _kept(order):
            yield f"{key}: published as {_shown(public.orders.get(key))}, is {_kept(order)}"


def _published(key: str, certificate: Certificate, public: Public) -> Iterator[str]:
    state = public.states[key]
    for shown, kept in MONEY:
        if state[shown] != getattr(certificate, kept):
            yield f"{key}: {shown} is published as {state[shown]}"
    if state["lifecycle"] != certificate.lifecycle.value:
        yield f"{key}: lifecycle is published as {state['lifecycle']}"
    transactions = public.transactions[key]
    for name in ("available", "held", "refundHeld"):
        if sum(one["delta"][name] for one in transactions) != state[name]:
            yield f"{key}: the deltas of {name} do not add up"
    kinds = Counter(one["transactionType"] for one in transactions)
    if kinds["Issued"] != 1 or kinds["Activated"] > 1:
        yield f"{key}: issued {kinds['Issued']} times, activated {kinds['Activated']}"


def _shown(order: dict[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    return {
        line["orderLineId"]: (line["allocationStatus"], line["refusal"], line["paid"])
        for line in (order or {}).get("lines", ())
    }


def _kept(order: Order) -> dict[str, tuple[Any, ...]]:
    return {
        name: (line.status.value, line.refusal, line.paid) for name, line in order.lines.items()
    }


def _orders(world: "World") -> Iterator[str]:
    """No question is open, no certificate is tied to a line that does not want it."""
    orders: dict[str, Order] = _entities(world, ORDER_PREFIX)
    certificates: dict[str, Certificate] = _entities(world, CERTIFICATE_PREFIX)
    for order_id, order in orders.items():
        if order.asks:
            yield f"{order_id} still asks {order.asks}"
        for name, line in order.lines.items():
            if line.status in QUESTIONS:
                yield f"{order_id} line {name} hangs in {line.status}"
            certificate = certificates.get(line.certificate_id or "")
            exists = certificate is not None and certificate.lifecycle is not Lifecycle.ABSENT
            if line.refusal == CERTIFICATE_UNKNOWN and exists:
                yield f"{order_id} line {name} was not asked again"
            tied = _is_tied(certificate, order_id, name)
            if line.status is LineStatus.ACTIVATED and not (
                tied and certificate is not None and certificate.loaded
            ):
                yield f"{order_id} line {name} is activated, its certificate is not"
            if line.status in _WAITS and not tied:
                yield f"{order_id} line {name} is {line.status}, its certificate is not tied"
    for key, certificate in certificates.items():
        yield from _unwanted(key, certificate, orders)


def _is_tied(certificate: Certificate | None, order_id: str, line_id: str) -> bool:
    tie = None if certificate is None else certificate.order
    return tie is not None and (tie.order_id, tie.order_line_id) == (order_id, line_id)


def _unwanted(key: str, certificate: Certificate, orders: dict[str, Order]) -> Iterator[str]:
    tie = certificate.order
    if tie is None:
        return
    order = orders.get(tie.order_id)
    line = None if order is None else order.lines.get(tie.order_line_id)
    wanted = line is not None and line.certificate_id == key
    if certificate.lifecycle is Lifecycle.ALLOCATED:
        if tie.reserved_until is not None:
            yield f"{key} is reserved for ever"
        elif not (wanted and line is not None and line.status in _WAITS):
            yield f"{key} is tied to {tie}, which does not wait for it"
    elif certificate.loaded and not (
        wanted and line is not None and line.status is LineStatus.ACTIVATED
    ):
        yield f"{key} is activated for {tie}, which does not know"
    # A cancelled one keeps the blocks it had: there is nothing to do any more.
    ended = certificate.lifecycle is Lifecycle.CANCELLED
    for block in () if ended else certificate.blocks:
        if block.reason.startswith(_OF_ORDERS) and (
            line is None or block.reason not in line.blocks
        ):
            yield f"{key} is blocked for {block.reason}, of which {tie} knows nothing"


def _tills(world: "World") -> Iterator[str]:
    """Everything acknowledged is one event, every event was acknowledged to somebody."""
    operations = [one for one in world.tills.operations if one.done]
    told: Counter[tuple[str, str]] = Counter()
    holds: dict[str, set[str]] = {}
    for one in operations:
        assert one.reply is not None
        if one.kind in _TOLD:
            told[one.reply.fields["authorizationId"], _TOLD[one.kind]] += 1
        elif one.kind == "Authorize":
            holds.setdefault(one.key, set()).add(one.reply.fields["authorizationId"])
        elif one.kind == "RequestRefund":
            told[one.reply.fields["refundRequestId"], "RefundRequested"] += 1
    for key, names in holds.items():
        told.update((name, "Authorized") for name in names)
        assert key
    happened: Counter[tuple[str, str]] = Counter()
    watched = {*_TOLD.values(), "Authorized", "RefundRequested"}
    for transactions in world.pipeline.public.transactions.values():
        for event in transactions:
            kind = event["transactionType"]
            name = event.get("authorizationId") or event.get("refundRequestId") or ""
            if kind in watched:
                happened[name, kind] += 1
    if told != happened:
        yield f"told but not done {told - happened}, done but not told {happened - told}"


def _payments(world: "World") -> Iterator[str]:
    """What Payments has paid is what the certificates gave, and what they lacked."""
    paid: Counter[str] = Counter()
    for request in world.payments.desk.requests.values():
        paid[request.certificate_id] += request.paid
    for key, state in world.pipeline.public.states.items():
        if state["refunded"] + state["shortfall"] != paid[key]:
            given = f"{state['refunded']} given, {state['shortfall']} short"
            yield f"{key}: Payments has paid {paid[key]}, but {given}"
