"""One next step for every situation from the first code on."""

import msgspec
import pytest

from app.domain.marking.decide import decide
from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.document import DocumentPurpose
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.domain.marking.order import Hold
from app.domain.marking.steps import (
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
    Send,
    Step,
    Wait,
)
from app.domain.marking.view import (
    Call,
    CallState,
    OrderView,
    Report,
)
from tests.domain.marking.situations import (
    DOCUMENT_INTENT,
    FULL,
    GTIN,
    NOW,
    OP,
    RULES,
    D,
    S,
    buffer,
    call,
    document,
    station,
    subject,
    view,
)

SHEET: list[tuple[str, OrderView, Step]] = [
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
    (
        "close sent, open for too long",
        view(
            S.CLOSING,
            waited_s=900,
            station=station(
                FULL,
                closing=subject(OP.CLOSE_ORDER, sent=True, sent_at=NOW - 9),
                seen_at=NOW - 5,
            ),
        ),
        Pause(Hold.ATTENTION, "sending-too-long"),
    ),
    (
        "close did not arrive, again",
        view(
            S.CLOSING,
            waited_s=899,
            station=station(FULL, closing=subject(OP.CLOSE_ORDER, absent=3)),
        ),
        Plan(Intent(OP.CLOSE_ORDER, "s")),
    ),
    (
        "close did not arrive for too long",
        view(
            S.CLOSING,
            waited_s=900,
            station=station(FULL, closing=subject(OP.CLOSE_ORDER, absent=1)),
        ),
        Pause(Hold.ATTENTION, "sending-too-long"),
    ),
    (
        "close did not arrive too often",
        view(S.CLOSING, station=station(FULL, closing=subject(OP.CLOSE_ORDER, absent=4))),
        Pause(Hold.ATTENTION, "never-arrives"),
    ),
    (
        "close planned for long is sent",
        view(
            S.CLOSING,
            waited_s=900,
            station=station(
                FULL,
                closing=subject(OP.CLOSE_ORDER, call=call("PLANNED", OP.CLOSE_ORDER)),
            ),
        ),
        Send("c", OP.CLOSE_ORDER),
    ),
    ("close confirmed", view(S.CLOSING, station=station(FULL, remote="CLOSED")), Move(S.CLOSED)),
    ("after closing", view(S.CLOSED), Move(S.POSTPROCESSING)),
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
