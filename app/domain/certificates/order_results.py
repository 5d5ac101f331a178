"""Answers to mutating requests about an order, kept for replay byte for byte."""

import msgspec

from app.domain.certificates.commands import Call
from app.domain.certificates.problems import is_stored
from app.domain.decision import Reply
from app.domain.policy import DAY_MS, HOUR_MS, Policy


class StoredAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key_hash: bytes
    body_hash: bytes
    at: int
    reply: Reply


Answers = tuple[StoredAnswer, ...]


def replayed(answers: Answers, call: Call) -> Reply | None:
    """The first answer to the same key again, or the refusal of its reuse; None: a new key."""
    for stored in answers:
        if stored.key_hash == call.key_hash:
            if stored.body_hash != call.body_hash:
                return Reply(422, "IdempotencyKeyReused", call.instance, {})
            return msgspec.structs.replace(stored.reply, replayed=True)
    return None


def is_full(answers: Answers, t: int, policy: Policy) -> bool:
    """No success may leave yet, so that no further one can be kept."""
    successes = [one for one in answers if one.reply.code is None]
    young = t - policy.results_young_h * HOUR_MS
    return len(successes) >= policy.results_max and successes[0].at > young


def stored(answers: Answers, call: Call, reply: Reply, *, t: int, policy: Policy) -> Answers:
    """`answers` with this one, without those that have had their time."""
    if reply.code is not None and not is_stored(reply.code):
        return answers
    kept = (*answers, StoredAnswer(call.key_hash, call.body_hash, t, reply))
    fresh = t - policy.results_days * DAY_MS
    successes = [one for one in kept if one.reply.code is None and one.at > fresh]
    refusals = [one for one in kept if one.reply.code is not None]
    newest = {id(one) for one in successes[-policy.results_max :]}
    newest |= {id(one) for one in refusals[-policy.refusals_max :]}
    return tuple(one for one in kept if id(one) in newest)
