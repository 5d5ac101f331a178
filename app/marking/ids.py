"""Identifiers that sort by time (UUID version 7) and those derived from what they name."""

import secrets
import time
import uuid

_EVENTS = uuid.UUID("6f0f1d9e-52f6-5d0a-9d0c-4a3c7b0e9a51")


def new_id() -> str:
    """48 bits of Unix time in ms, then randomness."""
    moment = time.time_ns() // 1_000_000
    value = (moment & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=value))


def event_id(order_id: str, version: int, kind: str) -> str:
    """The same event has the same id however often it is written."""
    return str(uuid.uuid5(_EVENTS, f"{order_id}:{version}:{kind}"))
