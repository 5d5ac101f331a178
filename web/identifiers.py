"""Request ids: `instance` of a problem, and id of the command that the request becomes."""

import os
import time

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_PLACES = tuple(range(120, -1, -10))


def request_id() -> str:
    """`req_` and 26 symbols, sortable by time: 48 bit of ms, 80 random bits."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    return "req_" + "".join([_PAIRS[number >> place & 1023] for place in _PLACES])
