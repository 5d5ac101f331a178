"""Stored results of HTTP mutations: found by key, kept within bounds (certificates.md §3.4).

A popular certificate keeps hundreds of them and is written with every command. So they stay
packed as they were first written, and only the newest stand in the state itself: a full set
moves to a page, which is written once and read again only for a request that comes twice. Of
each result on a page the state keeps a mark: four bytes of its key's hash and the second after
it was made. A mark may lie (another key with the same bytes); the page decides. A page that
has nothing of what its mark tells is another than the one that was written: LostPage.
"""

import msgspec

from app.domain.certificates.commands import Call
from app.domain.certificates.state import Certificate, Results, StoredResult
from app.domain.decision import Context, LostPage
from app.domain.policy import DAY_MS, HOUR_MS, SECOND_MS, Policy

PAGE = 16
_HASH, _MARK = 4, 8
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(StoredResult).decode


class _Made(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first fields of a StoredResult."""

    body_hash: bytes
    at: int


_made = msgspec.msgpack.Decoder(_Made).decode


def find(state: Certificate, call: Call, context: Context) -> StoredResult | None:
    """`key_hash` is an HMAC over client, operation and key: it alone decides."""
    key_hash = call.key_hash
    packed = state.results.get(key_hash) or state.refusals.get(key_hash)
    if packed is None and state.marks:
        packed = _on_pages(state, key_hash, context)
    return None if packed is None else _unpack(packed)


def _on_pages(state: Certificate, key_hash: bytes, context: Context) -> bytes | None:
    mark, marks = key_hash[:_HASH], state.marks
    forgotten = len(state.pages) * PAGE - len(marks) // _MARK
    at = marks.find(mark)
    while at >= 0:
        if at % _MARK == 0:
            number = state.pages[(forgotten + at // _MARK) // PAGE]
            content: Results = context.page(number)
            if (packed := content.get(key_hash)) is not None:
                return packed
            if not any(key.startswith(mark) for key in content):
                raise LostPage(number)
        at = marks.find(mark, at + 1)
    return None


def count(state: Certificate) -> int:
    """How many successes are kept, on pages or not."""
    return len(state.results) + len(state.marks) // _MARK


def has_room(state: Certificate, t: int, policy: Policy) -> bool:
    """Whether one more success may be kept without forgetting one younger than a day."""
    if count(state) < policy.results_max:
        return True
    return t - _oldest_at(state.marks, state.results) >= policy.results_young_h * HOUR_MS


class Kept(msgspec.Struct):
    """The successes after one more: what the state keeps, and the pages to be written."""

    results: Results
    pages: bytes
    marks: bytes
    written: tuple[tuple[int, Results], ...] = ()


def with_success(state: Certificate, call: Call, result: StoredResult, *, policy: Policy) -> Kept:
    kept = Kept(state.results.copy(), state.pages, state.marks)
    over = result.at - policy.results_days * DAY_MS
    young = result.at - policy.results_young_h * HOUR_MS
    surplus = count(state) + 1 - policy.results_max
    while kept.results or kept.marks:
        oldest_at = _oldest_at(kept.marks, kept.results)
        if not (oldest_at < over or (surplus > 0 and oldest_at <= young)):
            break
        _forget_oldest(kept)
        surplus -= 1
    while len(kept.results) >= PAGE:
        _turn_page(kept)
    kept.results[call.key_hash] = _pack(result)
    return kept


def _forget_oldest(kept: Kept) -> None:
    if not kept.marks:
        del kept.results[_first(kept.results)]
        return
    kept.marks = kept.marks[_MARK:]
    if len(kept.marks) <= (len(kept.pages) - 1) * PAGE * _MARK:
        kept.pages = kept.pages[1:]


def _turn_page(kept: Kept) -> None:
    """The oldest results move to a page of a number that no other has."""
    content = {key: kept.results.pop(key) for key in list(kept.results)[:PAGE]}
    number = next(n for n in range(len(kept.pages) + 1) if n not in kept.pages)
    kept.pages += bytes((number,))
    kept.marks += b"".join(map(_mark, content, content.values()))
    kept.written = (*kept.written, (number, content))


def _mark(key_hash: bytes, packed: bytes) -> bytes:
    second = -(-_made(packed).at // SECOND_MS)
    return key_hash[:_HASH] + second.to_bytes(_MARK - _HASH, "big")


def _oldest_at(marks: bytes, results: Results) -> int:
    """UTC ms; of a result on a page, the second after."""
    if marks:
        return int.from_bytes(marks[_HASH:_MARK], "big") * SECOND_MS
    return _made(results[_first(results)]).at


def with_refusal(refusals: Results, call: Call, result: StoredResult, *, policy: Policy) -> Results:
    kept = refusals.copy()
    while len(kept) >= policy.refusals_max:
        del kept[_first(kept)]
    kept[call.key_hash] = _pack(result)
    return kept


def _first(results: Results) -> bytes:
    return next(iter(results))
