"""The law of an order: from everything known about it, exactly one next step."""

from collections.abc import Callable, Iterator

from app.domain.marking.document import (
    MAX_TECHNICAL_RESENDS,
    DocumentPurpose,
    DocumentStatus,
)
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.domain.marking.postprocess import (
    later_step,
    postprocess_step,
    refresh_step,
    settled_step,
)
from app.domain.marking.sending import carry, first, open_call_step
from app.domain.marking.station import (
    RemoteBuffer,
    RemoteOrder,
    is_done,
    missing,
    ready_to_close,
)
from app.domain.marking.steps import (
    QUIET,
    Check,
    Collect,
    FreezeClose,
    FreezeDocuments,
    Intent,
    Move,
    Observe,
    Pause,
    Plan,
    Resend,
    Step,
    Wait,
)
from app.domain.marking.view import Document, OrderView, Rules, StationOrder

S = OrderStatus


def decide(view: OrderView, now: int, rules: Rules) -> Step:
    """The next step of an order at `now` (ms UTC); with `attention` only quiet ones.

    An order that waits, for whatever reason, still looks up what may have happened.
    """
    step = STEPS[view.status](view, now, rules)
    if view.hold is Hold.ATTENTION and not isinstance(step, QUIET):
        step = Wait()
    if isinstance(step, Wait):
        return first([*(open_call_step(call, now) for call in view.doubtful), step]) or step
    return step


def _station(view: OrderView) -> StationOrder:
    assert view.station is not None, "an order at the station has its row"
    return view.station


def _main_documents(view: OrderView) -> tuple[Document, ...]:
    introduces = view.profile is Profile.ORDER_FIRST
    purpose = DocumentPurpose.INTRODUCE if introduces else DocumentPurpose.PREORDER
    return tuple(d for d in view.documents if d.purpose is purpose and not d.later)


def _document_step(view: OrderView, now: int, _rules: Rules) -> Step:
    documents = _main_documents(view)
    if view.status is S.DOC_ACCEPTED:
        first_profile = view.profile is Profile.DOCUMENT_FIRST
        return Move(S.SUZ_SIGNING if first_profile else S.POSTPROCESSING)
    if view.status is S.DOC_CHECKING:
        return _verdict_step(documents)
    signing = view.status is S.DOC_SIGNING
    if any(d.status is DocumentStatus.REJECTED and not d.subject.sent for d in documents):
        return Move(S.DOC_SENDING) if signing else Move(S.DOC_REJECTED, reason="document-invalid")
    step = first(carry(d.subject, view, now, plan=not signing) for d in documents)
    if signing:
        return step or Move(S.DOC_SENDING, plan=_intents(documents))
    return step or Move(S.DOC_CHECKING)


def _intents(documents: tuple[Document, ...]) -> tuple[Intent, ...]:
    open_ones = (d.subject for d in documents if not d.subject.sent and d.subject.call is None)
    return tuple(Intent(subject.operation, subject.id) for subject in open_ones)


def _verdict_step(documents: tuple[Document, ...]) -> Step:
    verdicts = {d.status for d in documents}
    failed = [d for d in documents if d.status is DocumentStatus.TECH_ERROR]
    if DocumentStatus.REJECTED in verdicts:
        return Move(S.DOC_REJECTED)
    if any(d.resends >= MAX_TECHNICAL_RESENDS for d in failed):
        return Move(S.DOC_REJECTED, reason="processing-error")
    if failed:
        return Resend(failed[0].subject.id)
    if verdicts == {DocumentStatus.ACCEPTED}:
        return Move(S.DOC_ACCEPTED)
    return Wait()


def _ordering_step(view: OrderView, now: int, _rules: Rules) -> Step:
    subject = _station(view).subject
    if view.status is S.SUZ_SENDING:
        return carry(subject, view, now) or Move(S.EMITTING)
    step = carry(subject, view, now, plan=False)
    return step or Move(S.SUZ_SENDING, plan=(Intent(subject.operation, subject.id),))


def _emission_step(view: OrderView, now: int, rules: Rules) -> Step:
    station = _station(view)
    if station.remote is RemoteOrder.DECLINED:
        return Move(S.DECLINED)
    if station.remote is RemoteOrder.CLOSED and not any(missing(b) for b in station.buffers):
        return Move(S.CLOSED)
    given = {RemoteBuffer.ACTIVE, RemoteBuffer.EXHAUSTED, RemoteBuffer.CLOSED}
    if any(b.remote in given for b in station.buffers):
        return Move(S.COLLECTING)
    if station.remote is RemoteOrder.CREATED and station.remote_since is not None:
        limit = station.remote_since + rules.created_limit_ms
        late = now >= limit
        return Pause(Hold.SIGNATURE, "unsigned-at-station") if late else Wait(limit)
    return Wait()


def _collecting_step(view: OrderView, now: int, rules: Rules) -> Step:
    station = _station(view)
    fetching = first(open_call_step(call, now) for call in station.fetches)
    if fetching is not None and not isinstance(fetching, Wait):
        return fetching
    if station.remote is RemoteOrder.CLOSED and not station.fetches:
        lost = [b for b in station.buffers if missing(b) > b.lost]
        return Collect(lost[0].gtin) if lost else Move(S.CLOSED)
    if ready_to_close(station.remote, station.buffers, fetching=bool(station.fetches)):
        return Move(S.READY_TO_CLOSE)
    step = first([fetching, *_buffer_steps(station, now, rules)])
    if step is not None:
        return step
    if station.remote is RemoteOrder.DECLINED:
        return Pause(Hold.ATTENTION, "declined-while-collecting")
    return Wait()


def fetch_subject(station: StationOrder, gtin: str) -> str:
    """Subject of the intents that fetch codes of one buffer."""
    return f"{station.subject.id}:{gtin}"


def _buffer_steps(station: StationOrder, now: int, rules: Rules) -> Iterator[Step]:
    """A pass over each buffer that may have codes; others are counted again after a while."""
    busy = {call.subject_id for call in station.fetches}
    given = {RemoteBuffer.ACTIVE, RemoteBuffer.EXHAUSTED}
    for buffer in station.buffers:
        idle = fetch_subject(station, buffer.gtin) not in busy
        if not idle or buffer.remote not in given or is_done(buffer):
            continue
        recount = (buffer.counted_at or 0) + rules.suz_poll_ms
        if missing(buffer) > buffer.lost or buffer.available or not buffer.counted_at:
            yield Collect(buffer.gtin)
        elif rules.list_mode:
            yield Collect(buffer.gtin) if now >= recount else Wait(recount)


def _closing_step(view: OrderView, now: int, rules: Rules) -> Step:
    station = _station(view)
    if station.remote is RemoteOrder.CLOSED:
        return Move(S.CLOSED)
    closing = station.closing
    if closing is not None and closing.sent:
        return _confirmation_step(view, station, now=now, rules=rules)
    if view.status is S.CLOSING:
        assert closing is not None, "an order is CLOSING only with a frozen body"
        step = carry(closing, view, now)
        assert step is not None, "an unsent subject always has a step"
        overdue = _overdue_step(view, rules) if isinstance(step, Plan) else None
        return overdue or step
    if not ready_to_close(station.remote, station.buffers, fetching=bool(station.fetches)):
        return Move(S.COLLECTING)
    if closing is None:
        return _close_freezing_step(view, station, now=now, rules=rules)
    step = carry(closing, view, now, plan=False)
    return step or Move(S.CLOSING, plan=(Intent(closing.operation, closing.id),))


def _confirmation_step(view: OrderView, station: StationOrder, *, now: int, rules: Rules) -> Step:
    assert station.closing is not None, "only a sent closing is confirmed"
    seen, sent = station.seen_at, station.closing.sent_at
    if seen is None or (sent is not None and seen <= sent):
        return Observe()
    again = seen + rules.suz_poll_ms
    return _overdue_step(view, rules) or (Observe() if now >= again else Wait(again))


def _overdue_step(view: OrderView, rules: Rules) -> Step | None:
    """The station was asked for long enough, and the order is still open."""
    overdue = view.status is S.CLOSING and view.waited_s >= rules.sending_limit_s
    return Pause(Hold.ATTENTION, "sending-too-long") if overdue else None


def _close_freezing_step(view: OrderView, station: StationOrder, *, now: int, rules: Rules) -> Step:
    """An automatic signer closes at once; a person only what does not close by itself."""
    waived = any(buffer.waived is not None for buffer in station.buffers)
    if view.automatic_signer or waived or station.collected_at is None:
        return FreezeClose()
    moment = station.collected_at + rules.self_close_ms
    return FreezeClose() if now >= moment else Wait(moment)


def _closed_step(view: OrderView, now: int, rules: Rules) -> Step:
    later = later_step(view, now)
    if later is not None:
        return later
    if view.profile is Profile.DOCUMENT_FIRST:
        return Move(S.POSTPROCESSING)
    if not view.introduce:
        return Wait()
    if view.applied:
        return FreezeDocuments(DocumentPurpose.INTRODUCE)
    return refresh_step(view, now, rules)


def _completed_step(view: OrderView, now: int, _rules: Rules) -> Step:
    return later_step(view, now) or settled_step(view) or Wait()


def _checked_step(view: OrderView, _now: int, _rules: Rules) -> Step:
    first_profile = view.profile is Profile.DOCUMENT_FIRST
    return Move(S.DOC_SIGNING if first_profile else S.SUZ_SIGNING)


def _check_step(_view: OrderView, _now: int, _rules: Rules) -> Step:
    return Check()


def _idle_step(_view: OrderView, _now: int, _rules: Rules) -> Step:
    return Wait()


STEPS: dict[OrderStatus, Callable[[OrderView, int, Rules], Step]] = {
    S.INIT: _check_step,
    S.CHECKED: _checked_step,
    S.DOC_SIGNING: _document_step,
    S.DOC_SENDING: _document_step,
    S.DOC_CHECKING: _document_step,
    S.DOC_ACCEPTED: _document_step,
    S.SUZ_SIGNING: _ordering_step,
    S.SUZ_SENDING: _ordering_step,
    S.EMITTING: _emission_step,
    S.COLLECTING: _collecting_step,
    S.READY_TO_CLOSE: _closing_step,
    S.CLOSING: _closing_step,
    S.CLOSED: _closed_step,
    S.POSTPROCESSING: postprocess_step,
    S.COMPLETED: _completed_step,
    S.DOC_REJECTED: _idle_step,
    S.DECLINED: _idle_step,
    S.CANCELLED: _idle_step,
}
