"""One next step for every situation of an order."""

from typing import Any

import msgspec
import pytest

from app.domain.marking.decide import STEPS, decide
from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.document import DocumentPurpose, DocumentStatus
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.domain.marking.station import Buffer, RemoteBuffer, RemoteOrder
from app.domain.marking.steps import (
    Check,
    Collect,
    Doubt,
    FreezeClose,
    FreezeDocuments,
    FreezeReport,
    Intent,
    Lookup,
    Move,
    Observe,
    Pause,
    Plan,
    RefreshCodes,
    Resend,
    Send,
    Sign,
    Step,
    Wait,
)
from app.domain.marking.view import (
    Call,
    CallState,
    Document,
    Operation,
    OrderView,
    Report,
    Rules,
    StationOrder,
    Subject,
)

NOW = 1_000_000
RULES = Rules(
    self_close_ms=120_000, created_limit_ms=600_000, code_refresh_ms=30_000, suz_poll_ms=30_000
)
GTIN = "04600000000015"
S, OP, D = OrderStatus, Operation, DocumentStatus


def call(state: str, operation: Operation = OP.CREATE_ORDER, due: int | None = None) -> Call:
    return Call("c", operation, "s", CallState(state), due=due)


def subject(operation: Operation = OP.CREATE_ORDER, **facts: Any) -> Subject:
    return Subject(**{"id": "s", "operation": operation, "signed": True, "sent": False, **facts})


def document(status: DocumentStatus = D.SIGNING, **facts: Any) -> Document:
    own = {"attempt": facts.pop("attempt", 1), "resends": facts.pop("resends", 0)}
    purpose = facts.pop("purpose", DocumentPurpose.PREORDER)
    return Document(subject(OP.SUBMIT_DOCUMENT, **facts), purpose, status, **own)


def buffer(remote: str | None = "ACTIVE", **facts: Any) -> Buffer:
    known = {"total": 100, "available": 100, "passed": 0, "stored": 0, "counted_at": NOW}
    word = None if remote is None else RemoteBuffer(remote)
    return Buffer(**{"gtin": GTIN, "ordered": 100, "remote": word, **known, **facts})


def station(*buffers: Buffer, remote: str | None = "READY", **facts: Any) -> StationOrder:
    word = None if remote is None else RemoteOrder(remote)
    base = {"subject": subject(sent=True), "attempt": 1, "remote": word, "buffers": buffers}
    return StationOrder(**{**base, **facts})


def view(status: OrderStatus, **facts: Any) -> OrderView:
    base = {"id": "o", "status": status, "profile": Profile.DOCUMENT_FIRST}
    return OrderView(**{**base, "automatic_signer": True, **facts})


SEND_INTENT = (Intent(OP.CREATE_ORDER, "s"),)
DOCUMENT_INTENT = (Intent(OP.SUBMIT_DOCUMENT, "s"),)
FULL = buffer(stored=100, passed=100, available=0)
SHEET: list[tuple[str, OrderView, Step]] = [
    ("checks first", view(S.INIT), Check()),
    ("document first", view(S.CHECKED), Move(S.DOC_SIGNING)),
    ("order first", view(S.CHECKED, profile=Profile.ORDER_FIRST), Move(S.SUZ_SIGNING)),
    (
        "signs by itself",
        view(S.DOC_SIGNING, documents=(document(signed=False),)),
        Sign("s", OP.SUBMIT_DOCUMENT),
    ),
    (
        "waits for a person",
        view(S.DOC_SIGNING, documents=(document(signed=False),), automatic_signer=False),
        Wait(),
    ),
    (
        "signed, so sends",
        view(S.DOC_SIGNING, documents=(document(),)),
        Move(S.DOC_SENDING, plan=DOCUMENT_INTENT),
    ),
    (
        "planned",
        view(S.DOC_SENDING, documents=(document(D.SENDING, call=call("PLANNED")),)),
        Send("c", OP.CREATE_ORDER),
    ),
    (
        "planned for later",
        view(S.DOC_SENDING, documents=(document(D.SENDING, call=call("PLANNED", due=NOW + 1)),)),
        Wait(NOW + 1),
    ),
    (
        "claimed by somebody gone",
        view(S.DOC_SENDING, documents=(document(D.SENDING, call=call("CLAIMED")),)),
        Doubt("c"),
    ),
    (
        "unknown, looks",
        view(S.DOC_SENDING, documents=(document(D.SENDING, call=call("UNKNOWN")),)),
        Lookup("c", OP.CREATE_ORDER),
    ),
    (
        "unknown, not yet",
        view(S.DOC_SENDING, documents=(document(D.SENDING, call=call("UNKNOWN", due=NOW + 9)),)),
        Wait(NOW + 9),
    ),
    (
        "absent, again",
        view(S.DOC_SENDING, documents=(document(D.SENDING, absent=1),)),
        Plan(DOCUMENT_INTENT[0]),
    ),
    (
        "absent too often",
        view(S.DOC_SENDING, documents=(document(D.SENDING, absent=4),)),
        Pause(Hold.ATTENTION, "never-arrives"),
    ),
    (
        "number known",
        view(S.DOC_SENDING, documents=(document(D.CHECKING, sent=True),)),
        Move(S.DOC_CHECKING),
    ),
    ("checking", view(S.DOC_CHECKING, documents=(document(D.CHECKING, sent=True),)), Wait()),
    (
        "accepted",
        view(S.DOC_CHECKING, documents=(document(D.ACCEPTED, sent=True),)),
        Move(S.DOC_ACCEPTED),
    ),
    (
        "one part still checking",
        view(
            S.DOC_CHECKING,
            documents=(document(D.ACCEPTED, sent=True), document(D.CHECKING, sent=True)),
        ),
        Wait(),
    ),
    (
        "rejected",
        view(S.DOC_CHECKING, documents=(document(D.REJECTED, sent=True),)),
        Move(S.DOC_REJECTED),
    ),
    (
        "technical error",
        view(S.DOC_CHECKING, documents=(document(D.TECH_ERROR, sent=True, resends=2),)),
        Resend("s"),
    ),
    (
        "fourth technical error",
        view(S.DOC_CHECKING, documents=(document(D.TECH_ERROR, sent=True, resends=3),)),
        Move(S.DOC_REJECTED, reason="processing-error"),
    ),
    ("document done", view(S.DOC_ACCEPTED), Move(S.SUZ_SIGNING)),
    (
        "introduced",
        view(S.DOC_ACCEPTED, profile=Profile.ORDER_FIRST),
        Move(S.POSTPROCESSING),
    ),
    (
        "order to sign",
        view(S.SUZ_SIGNING, station=station(subject=subject(signed=False))),
        Sign("s", OP.CREATE_ORDER),
    ),
    (
        "order signed",
        view(S.SUZ_SIGNING, station=station(subject=subject())),
        Move(S.SUZ_SENDING, plan=SEND_INTENT),
    ),
    ("order known", view(S.SUZ_SENDING, station=station()), Move(S.EMITTING)),
    (
        "emission pending",
        view(S.EMITTING, station=station(buffer(None), remote="PENDING")),
        Wait(),
    ),
    (
        "nobody sees the signature",
        view(
            S.EMITTING,
            station=station(buffer(None), remote="CREATED", remote_since=NOW - 600_000),
        ),
        Pause(Hold.SIGNATURE, "unsigned-at-station"),
    ),
    (
        "created just now",
        view(S.EMITTING, station=station(buffer(None), remote="CREATED", remote_since=NOW)),
        Wait(NOW + 600_000),
    ),
    (
        "declined",
        view(S.EMITTING, station=station(buffer("REJECTED"), remote="DECLINED")),
        Move(S.DECLINED),
    ),
    ("active", view(S.EMITTING, station=station(buffer())), Move(S.COLLECTING)),
    (
        "closed elsewhere",
        view(S.EMITTING, station=station(buffer("CLOSED"), remote="CLOSED")),
        Move(S.CLOSED),
    ),
    ("codes wait", view(S.COLLECTING, station=station(buffer())), Collect(GTIN)),
    (
        "block lost",
        view(S.COLLECTING, station=station(buffer(available=0, passed=40, stored=10))),
        Collect(GTIN),
    ),
    (
        "lost for good",
        view(S.COLLECTING, station=station(buffer(available=0, passed=100, stored=99, lost=1))),
        Wait(NOW + 30_000),
    ),
    (
        "fetch under way",
        view(
            S.COLLECTING,
            station=station(
                buffer(),
                fetches=(Call("c", OP.FETCH_CODES, f"s:{GTIN}", CallState.UNKNOWN, due=NOW + 5),),
            ),
        ),
        Wait(NOW + 5),
    ),
    (
        "fetch planned",
        view(
            S.COLLECTING,
            station=station(
                buffer(), fetches=(Call("c", OP.FETCH_CODES, f"s:{GTIN}", CallState.PLANNED),)
            ),
        ),
        Send("c", OP.FETCH_CODES),
    ),
    (
        "closed while a fetch is doubtful",
        view(
            S.COLLECTING,
            station=station(
                buffer("CLOSED"),
                remote="CLOSED",
                fetches=(Call("c", OP.FETCH_CODES, f"s:{GTIN}", CallState.UNKNOWN),),
            ),
        ),
        Lookup("c", OP.FETCH_CODES),
    ),
    (
        "nothing available yet",
        view(S.COLLECTING, station=station(buffer(available=0))),
        Wait(NOW + 30_000),
    ),
    (
        "counters unknown",
        view(S.COLLECTING, station=station(buffer(available=None, counted_at=None))),
        Collect(GTIN),
    ),
    ("all stored", view(S.COLLECTING, station=station(FULL)), Move(S.READY_TO_CLOSE)),
    (
        "rest waived",
        view(
            S.COLLECTING,
            station=station(buffer(available=60, passed=40, stored=40, waived=60)),
        ),
        Move(S.READY_TO_CLOSE),
    ),
    ("freezes the closing", view(S.READY_TO_CLOSE, station=station(FULL)), FreezeClose()),
    (
        "a person closes only what stays open",
        view(
            S.READY_TO_CLOSE,
            station=station(FULL, collected_at=NOW),
            automatic_signer=False,
        ),
        Wait(NOW + 120_000),
    ),
    (
        "closed itself",
        view(S.READY_TO_CLOSE, station=station(FULL, remote="CLOSED")),
        Move(S.CLOSED),
    ),
    (
        "more codes after all",
        view(S.READY_TO_CLOSE, station=station(buffer())),
        Move(S.COLLECTING),
    ),
    (
        "closing signed",
        view(S.READY_TO_CLOSE, station=station(FULL, closing=subject(OP.CLOSE_ORDER))),
        Move(S.CLOSING, plan=(Intent(OP.CLOSE_ORDER, "s"),)),
    ),
    (
        "close sent, looks whether it is",
        view(
            S.CLOSING,
            station=station(FULL, closing=subject(OP.CLOSE_ORDER, sent=True, sent_at=NOW)),
        ),
        Observe(),
    ),
    (
        "close sent, seen open",
        view(
            S.CLOSING,
            station=station(
                FULL,
                closing=subject(OP.CLOSE_ORDER, sent=True, sent_at=NOW - 9),
                seen_at=NOW - 5,
            ),
        ),
        Wait(NOW + 29_995),
    ),
    ("close confirmed", view(S.CLOSING, station=station(FULL, remote="CLOSED")), Move(S.CLOSED)),
    ("after closing", view(S.CLOSED), Move(S.POSTPROCESSING)),
    ("order first waits", view(S.CLOSED, profile=Profile.ORDER_FIRST), Wait()),
    (
        "introduction needs applied codes",
        view(S.CLOSED, profile=Profile.ORDER_FIRST, introduce=True),
        RefreshCodes(),
    ),
    (
        "introduction asks again later",
        view(S.CLOSED, profile=Profile.ORDER_FIRST, introduce=True, codes_seen_at=NOW),
        Wait(NOW + 30_000),
    ),
    (
        "introduction",
        view(S.CLOSED, profile=Profile.ORDER_FIRST, introduce=True, applied=True),
        FreezeDocuments(DocumentPurpose.INTRODUCE),
    ),
    ("nothing planned", view(S.POSTPROCESSING), Move(S.COMPLETED)),
    (
        "utilisation first",
        view(S.POSTPROCESSING, plan=PostprocessPlan(utilisation=True)),
        FreezeReport("utilisation"),
    ),
    (
        "dropout after utilisation",
        view(
            S.POSTPROCESSING,
            plan=PostprocessPlan(True, DropoutPlan(DropoutReason.DEFECT)),
            reports=(Report(subject(OP.SEND_REPORT, sent=True), "utilisation", "SUCCESS"),),
        ),
        FreezeReport("dropout"),
    ),
    (
        "report refused",
        view(
            S.POSTPROCESSING,
            plan=PostprocessPlan(utilisation=True),
            reports=(Report(subject(OP.SEND_REPORT, sent=True), "utilisation", "FAILED"),),
        ),
        Pause(Hold.ATTENTION, "utilisation-refused"),
    ),
    (
        "by group, dropout is a document",
        view(
            S.POSTPROCESSING,
            plan=PostprocessPlan(dropout=DropoutPlan(DropoutReason.DEFECT)),
            reports_as_specified=False,
        ),
        FreezeDocuments(DocumentPurpose.WRITE_OFF),
    ),
    (
        "codes are asked after the last document",
        view(S.POSTPROCESSING, settled_at=NOW, codes_seen_at=NOW - 1),
        RefreshCodes(),
    ),
    ("end", view(S.COMPLETED), Wait()),
    (
        "a later document",
        view(
            S.COMPLETED,
            documents=(document(D.SIGNING, purpose=DocumentPurpose.WITHDRAW),),
        ),
        Plan(DOCUMENT_INTENT[0]),
    ),
    ("refused document waits", view(S.DOC_REJECTED), Wait()),
    ("declined waits", view(S.DECLINED), Wait()),
    ("cancelled", view(S.CANCELLED), Wait()),
]


@pytest.mark.parametrize(
    ("given", "expected"), [row[1:] for row in SHEET], ids=[row[0] for row in SHEET]
)
def test_the_next_step_is_the_one_of_the_sheet(given: OrderView, expected: Step) -> None:
    assert decide(given, NOW, RULES) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [row[1:] for row in SHEET], ids=[row[0] for row in SHEET]
)
def test_attention_lets_only_moves_and_lookups_through(given: OrderView, expected: Step) -> None:
    held = msgspec.structs.replace(given, hold=Hold.ATTENTION)
    quiet = isinstance(expected, Move | Lookup | Doubt | Pause | Wait)
    assert decide(held, NOW, RULES) == (expected if quiet else Wait())


def test_every_status_has_its_law() -> None:
    assert set(STEPS) == set(OrderStatus)
