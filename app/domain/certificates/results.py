"""Stored results of HTTP mutations: found by key, kept within bounds (certificates.md §3.4)."""

from operator import attrgetter

from app.domain.certificates.commands import Call
from app.domain.certificates.state import Certificate, StoredResult
from app.domain.policy import DAY_MS, HOUR_MS, Policy

_key_hash = attrgetter("key_hash")


def find(state: Certificate, call: Call) -> StoredResult | None:
    """`key_hash` is an HMAC over client, operation and key: it alone decides."""
    key_hash = call.key_hash
    for results in (state.results, state.refusals):
        # A popular certificate keeps hundreds of them: `map` looks through them without a loop.
        if key_hash in map(_key_hash, results):
            return next(result for result in results if result.key_hash == key_hash)
    return None


def has_room(state: Certificate, t: int, policy: Policy) -> bool:
    """Whether one more success may be kept without forgetting one younger than a day."""
    results = state.results
    if len(results) < policy.results_max:
        return True
    return t - results[-policy.results_max].at >= policy.results_young_h * HOUR_MS


def with_success(
    results: tuple[StoredResult, ...], result: StoredResult, policy: Policy
) -> tuple[StoredResult, ...]:
    oldest_kept = result.at - policy.results_days * DAY_MS
    surplus = len(results) + 1 - policy.results_max
    if surplus > 0 or (results and results[0].at < oldest_kept):
        results = tuple(one for one in results[max(surplus, 0) :] if one.at >= oldest_kept)
    return (*results, result)


def with_refusal(
    refusals: tuple[StoredResult, ...], result: StoredResult, policy: Policy
) -> tuple[StoredResult, ...]:
    return (*refusals, result)[-policy.refusals_max :]
