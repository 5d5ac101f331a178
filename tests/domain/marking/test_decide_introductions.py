"""When codes come into circulation: after closing, by choice, and never unasked."""

import pytest

from app.domain.marking.decide import decide
from app.domain.marking.document import DocumentPurpose
from app.domain.marking.order import Profile
from app.domain.marking.steps import FreezeDocuments, Move, Plan, RefreshCodes, Step, Wait
from app.domain.marking.view import OrderView
from tests.domain.marking.situations import (
    DOCUMENT_INTENT,
    NOW,
    RULES,
    D,
    S,
    document,
    view,
)

SHEET: list[tuple[str, OrderView, Step]] = [
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
    *(
        (
            f"an introduction left behind {status}",
            view(S.COMPLETED, documents=(document(status, purpose=DocumentPurpose.INTRODUCE),)),
            Wait(),
        )
        for status in (D.SENDING, D.TECH_ERROR)
    ),
    *(
        (
            f"chosen codes are introduced {status}",
            view(
                status,
                profile=Profile.ORDER_FIRST,
                documents=(document(D.SIGNING, purpose=DocumentPurpose.INTRODUCE, later=True),),
            ),
            Plan(DOCUMENT_INTENT[0]),
        )
        for status in (S.CLOSED, S.COMPLETED)
    ),
    (
        "chosen codes do not decide of the others",
        view(
            S.DOC_CHECKING,
            profile=Profile.ORDER_FIRST,
            documents=(
                document(D.CHECKING, purpose=DocumentPurpose.INTRODUCE, sent=True, later=True),
                document(D.ACCEPTED, purpose=DocumentPurpose.INTRODUCE, sent=True),
            ),
        ),
        Move(S.DOC_ACCEPTED),
    ),
]


@pytest.mark.parametrize(
    ("given", "expected"), [row[1:] for row in SHEET], ids=[row[0] for row in SHEET]
)
def test_the_next_step_is_the_one_of_the_sheet(given: OrderView, expected: Step) -> None:
    assert decide(given, NOW, RULES) == expected
