"""Stored results of HTTP mutations: found by key, kept within bounds (certificates.md §3.4).

A popular certificate keeps hundreds of them and is written with every command, so each stays
packed as it was first written, under its key; the oldest comes first.
"""

import msgspec

from app.domain.certificates.commands import Call
from app.domain.certificates.state import Certificate, Results, StoredResult
from app.domain.policy import DAY_MS, HOUR_MS, Policy

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredResult).decode


def find(state: Certificate, call: Call) -> StoredResult | None:
    """`key_hash` is an HMAC over client, operation and key: it alone decides."""
    packed = state.results.get(call.key_hash) or state.refusals.get(call.key_hash)
    return None if packed is None else _unpack(packed)


def has_room(state: Certificate, t: int, policy: Policy) -> bool:
    """Whether one more success may be kept without forgetting one younger than a day."""
    if len(state.results) < policy.results_max:
        return True
    return t - _oldest(state.results).at >= policy.results_young_h * HOUR_MS


def with_success(results: Results, call: Call, result: StoredResult, *, policy: Policy) -> Results:
    kept = results.copy()
    oldest_kept = result.at - policy.results_days * DAY_MS
    while kept and (len(kept) >= policy.results_max or _oldest(kept).at < oldest_kept):
        _forget_oldest(kept)
    kept[call.key_hash] = _pack(result)
    return kept


def with_refusal(refusals: Results, call: Call, result: StoredResult, *, policy: Policy) -> Results:
    kept = refusals.copy()
    while len(kept) >= policy.refusals_max:
        _forget_oldest(kept)
    kept[call.key_hash] = _pack(result)
    return kept


def _oldest(results: Results) -> StoredResult:
    return _unpack(next(iter(results.values())))


def _forget_oldest(results: Results) -> None:
    del results[next(iter(results))]
