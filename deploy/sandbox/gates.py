"""Gates: requests held in the middle until a test releases them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_GATES = 1000

Release = Literal["continue", "drop"]


@dataclass
class Gate:
    number: int
    operation: str
    request: int
    when: str
    arrived_at_ms: int
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    then: Release = "continue"

    def shown(self) -> dict[str, Any]:
        return {
            "gate_id": self.number,
            "operation": self.operation,
            "request": self.request,
            "when": self.when,
            "arrived_at_ms": self.arrived_at_ms,
            "released": self.opened.is_set(),
            "then": self.then,
        }


@dataclass
class GateKeeper:
    gates: dict[int, Gate] = field(default_factory=dict)
    last_number: int = 0
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hold(self, operation: str, request: int, *, when: str, now_ms: int) -> Release:
        """Waits for the release of this request and tells how it goes on."""
        if len(self.gates) >= MAX_GATES:
            raise RuntimeError(f"more than {MAX_GATES} gates since the last reset")
        self.last_number += 1
        gate = Gate(self.last_number, operation, request, when, now_ms)
        self.gates[gate.number] = gate
        async with self.arrival:
            self.arrival.notify_all()
        await gate.opened.wait()
        return gate.then

    def release(self, number: int | None, then: Release) -> int:
        """Opens one gate, or all of them; returns how many were opened."""
        chosen = [g for g in self.gates.values() if number is None or g.number == number]
        closed = [g for g in chosen if not g.opened.is_set()]
        for gate in closed:
            gate.then = then
            gate.opened.set()
        return len(closed)

    def held(self) -> list[Gate]:
        return [g for g in self.gates.values() if not g.opened.is_set()]

    async def wait_for_arrival(self, count: int, timeout_s: float) -> None:
        """Returns when `count` requests are held, or after the time-out."""
        try:
            async with asyncio.timeout(timeout_s), self.arrival:
                await self.arrival.wait_for(lambda: len(self.held()) >= count)
        except TimeoutError:
            return
