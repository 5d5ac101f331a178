"""One next step for every situation on the way to the station."""

import msgspec
import pytest

from app.domain.marking.decide import STEPS, decide
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.domain.marking.steps import (
    Check,
    Doubt,
    Lookup,
    Move,
    Pause,
    Plan,
    Resend,
    Send,
    Sign,
    Step,
    Wait,
)
from app.domain.marking.view import (
    OrderView,
)
from tests.domain.marking.situations import (
    DOCUMENT_INTENT,
    NOW,
    OP,
    RULES,
    SEND_INTENT,
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
    ("checks first", view(S.INIT), Check()),
    ("document first", view(S.CHECKED), Move(S.DOC_SIGNING)),
    ("order first", view(S.CHECKED, profile=Profile.ORDER_FIRST), Move(S.SUZ_SIGNING)),
    (
        "signs by itself",
        view(S.DOC_SIGNING, documents=(document(signed=False),)),
        Sign("s", OP.SUBMIT_DOCUMENT),
    ),
    (
        "against our own rules, nobody signs",
        view(S.DOC_SIGNING, documents=(document(D.REJECTED, signed=False),)),
        Move(S.DOC_SENDING),
    ),
    (
        "against our own rules, nothing is sent",
        view(S.DOC_SENDING, documents=(document(D.REJECTED, signed=False),)),
        Move(S.DOC_REJECTED, reason="document-invalid"),
    ),
    (
        "a part refused by True API, the other first",
        view(
            S.DOC_SENDING,
            documents=(document(D.REJECTED, sent=True), document(D.SENDING, call=call("PLANNED"))),
        ),
        Send("c", OP.CREATE_ORDER),
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
    (
        "declined, another attempt in doubt",
        view(S.DECLINED, doubtful=(call("UNKNOWN"),)),
        Lookup("c", OP.CREATE_ORDER),
    ),
    (
        "rejected, another part in doubt",
        view(
            S.DOC_REJECTED,
            documents=(document(D.REJECTED, sent=True), document(D.SENDING, call=call("CLAIMED"))),
            doubtful=(call("CLAIMED"),),
        ),
        Doubt("c"),
    ),
    (
        "emission pending, another attempt in doubt",
        view(
            S.EMITTING,
            station=station(buffer(None), remote="PENDING"),
            doubtful=(call("UNKNOWN", due=NOW + 9),),
        ),
        Wait(NOW + 9),
    ),
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
