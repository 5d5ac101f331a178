"""Marking codes: handing out in blocks, and the life of each code in ГИС МТ."""

import hashlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from deploy.sandbox.identifiers import KI_LENGTH
from deploy.sandbox.orders import Buffer, Order

if TYPE_CHECKING:
    from deploy.sandbox.participant import Participant

CODE_EDGES: dict[str, frozenset[str]] = {
    "EMITTED": frozenset({"APPLIED", "WRITTEN_OFF"}),
    "APPLIED": frozenset({"INTRODUCED", "WRITTEN_OFF"}),
    "INTRODUCED": frozenset({"RETIRED", "WRITTEN_OFF"}),
    "RETIRED": frozenset({"INTRODUCED"}),
    "WRITTEN_OFF": frozenset(),
}


@dataclass(slots=True)
class Code:
    full: str
    gtin: str
    order_id: str
    issued_ms: int
    history: list[tuple[int, str]] = field(default_factory=list)

    @property
    def ki(self) -> str:
        return self.full[:KI_LENGTH]

    def status(self, at_ms: int, applied_after_ms: int) -> str:
        """EMITTED turns into APPLIED by itself; the rest is moved by documents."""
        past = [status for moved_ms, status in self.history if moved_ms <= at_ms]
        if past:
            return past[-1]
        return "APPLIED" if at_ms >= self.issued_ms + applied_after_ms else "EMITTED"


@dataclass
class Block:
    block_id: str
    order_id: str
    gtin: str
    codes: list[str]
    issued_ms: int
    by: str = "api"
    sha256: str = ""
    retried: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Harm:
    """What faults do to one block: codes beyond the order, repeated or spoilt ones."""

    surplus: int = 0
    duplicates: int = 0
    malformed: int = 0


def digest(codes: list[str]) -> str:
    return hashlib.sha256("\n".join(codes).encode()).hexdigest()


def hand_out(
    who: "Participant",
    buffer: Buffer,
    order: Order,
    *,
    count: int,
    by: str,
    harm: Harm,
    now_ms: int,
) -> Block:
    """Takes the next `count` codes of the buffer and keeps them as a new block."""
    texts = [_next_code(who, buffer, order, offset=n) for n in range(count + harm.surplus)]
    _harm(who, texts, harm)
    block = Block(who.ids.uuid("block"), order.order_id, buffer.gtin, texts, now_ms, by)
    block.sha256 = digest(texts)
    who.blocks[block.block_id] = block
    for text in texts:
        code = Code(text, buffer.gtin, order.order_id, now_ms)
        who.codes.setdefault(code.ki, code)
    buffer.passed += len(texts)
    if buffer.available == 0:
        buffer.move("EXHAUSTED", now_ms)
    return block


def _next_code(who: "Participant", buffer: Buffer, order: Order, *, offset: int) -> str:
    index = buffer.passed + offset
    serials = buffer.product.get("serialNumbers") or []
    serial = serials[index] if index < len(serials) else None
    return who.ids.full_code(buffer.gtin, f"{order.number}/{buffer.gtin}/{index}", serial)


def _harm(who: "Participant", texts: list[str], harm: Harm) -> None:
    known = [c.full for c in islice(who.codes.values(), harm.duplicates)]
    for n in range(min(len(known), len(texts))):
        texts[n] = known[n]
        who.excused.add(known[n])
    for n in range(min(harm.malformed, len(texts))):
        texts[-1 - n] = texts[-1 - n].replace("\x1d", "", 1)
        who.excused.add(texts[-1 - n])


def normal_ki(text: str) -> str:
    """КИ of a code written with or without brackets, separators and tail."""
    if text.startswith("(01)"):
        text = "01" + text[4:18] + "21" + text[22:]
    return text[:KI_LENGTH]
