"""One participant: its station, goods, orders, codes, documents and everything set for it."""

from dataclasses import dataclass, field
from typing import Any

from deploy.sandbox import documents, orders, reports
from deploy.sandbox.cards import Card, default_cards
from deploy.sandbox.clock import Clock
from deploy.sandbox.codes import Block, Code, Harm, hand_out
from deploy.sandbox.documents import Document
from deploy.sandbox.faults import FaultQueue
from deploy.sandbox.gates import GateKeeper
from deploy.sandbox.identifiers import Identifiers
from deploy.sandbox.journal import Journal
from deploy.sandbox.orders import Order
from deploy.sandbox.rates import Rates
from deploy.sandbox.reports import Report
from deploy.sandbox.switches import Switches
from deploy.sandbox.tokens import TokenBook


@dataclass
class Participant:
    inn: str
    name: str
    oms_id: str
    oms_connection: str
    apikey: str
    clock: Clock
    ids: Identifiers
    switches: Switches = field(default_factory=Switches)
    persons: set[str] = field(default_factory=set)
    cards: dict[str, Card] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    serials: set[tuple[str, str]] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    lag_from_ms: dict[str, int] = field(default_factory=dict)
    tokens: TokenBook = field(default_factory=TokenBook)
    faults: FaultQueue = field(default_factory=FaultQueue)
    gates: GateKeeper = field(default_factory=GateKeeper)
    journal: Journal = field(default_factory=Journal)
    rates: Rates = field(default_factory=Rates)

    def __getstate__(self) -> dict[str, Any]:
        passing = {"gates", "journal", "rates"}
        return {name: value for name, value in self.__dict__.items() if name not in passing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, gates=GateKeeper(), journal=Journal(), rates=Rates())

    def settle(self, now_ms: int) -> None:
        """Lets everything happen whose time has come."""
        for order in self.orders.values():
            orders.settle(order, self, now_ms)
            if order.plan.fetched and order.status == "READY":
                self._fetched_elsewhere(order)
        for document in self.documents.values():
            documents.settle(document, self, now_ms)
        for report in self.reports.values():
            reports.settle(report, self, now_ms)

    def _fetched_elsewhere(self, order: Order) -> None:
        """Another program takes its codes as soon as there are any."""
        ready_ms, wanted = order.history[-1][0], order.plan.fetched
        order.plan.fetched = 0
        for buffer in order.buffers.values():
            count = min(wanted, buffer.available) if buffer.status == "ACTIVE" else 0
            if count:
                by = order.plan.fetched_by
                hand_out(self, buffer, order, count=count, by=by, harm=Harm(), now_ms=ready_ms)


@dataclass(frozen=True)
class Setup:
    """How a participant is made; unset identifiers come from the seed."""

    seed: str = "1"
    name: str | None = None
    oms_id: str | None = None
    oms_connection: str | None = None
    apikey: str | None = None
    cards: int = 60
    persons: tuple[str, ...] = ()


def new_participant(inn: str, setup: Setup, scale: float) -> Participant:
    ids = Identifiers(f"{setup.seed}/{inn}")
    return Participant(
        inn=inn,
        name=setup.name or f"ООО Пример {inn}",
        oms_id=setup.oms_id or ids.uuid("oms"),
        oms_connection=setup.oms_connection or ids.uuid("connection"),
        apikey=setup.apikey or ids.letters("apikey", 24).lower(),
        clock=Clock(scale),
        ids=ids,
        persons=set(setup.persons),
        cards=default_cards(setup.cards),
    )
