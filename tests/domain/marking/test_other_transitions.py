"""Lives of documents, buffers and intents as sheets."""

import itertools

import pytest

from app.domain.marking import document, station
from app.domain.marking.document import DocumentStatus, may_follow, remote_meaning
from app.domain.marking.station import BufferStatus
from app.domain.marking.view import CALL_TRANSITIONS, CallState

DOCUMENTS = {
    ("DRAFT", "SIGNING"),
    ("DRAFT", "CANCELLED"),
    ("SIGNING", "SENDING"),
    ("SIGNING", "CANCELLED"),
    ("SENDING", "CHECKING"),
    ("SENDING", "UNKNOWN"),
    ("SENDING", "SIGNING"),
    ("SENDING", "REJECTED"),
    ("SENDING", "CANCELLED"),
    ("UNKNOWN", "CHECKING"),
    ("UNKNOWN", "SENDING"),
    ("CHECKING", "ACCEPTED"),
    ("CHECKING", "REJECTED"),
    ("CHECKING", "TECH_ERROR"),
}
CALLS = {
    ("PLANNED", "CLAIMED"),
    ("PLANNED", "REFUSED"),
    ("PLANNED", "FOUND"),
    ("CLAIMED", "PLANNED"),
    ("CLAIMED", "ANSWERED"),
    ("CLAIMED", "REFUSED"),
    ("CLAIMED", "UNKNOWN"),
    ("UNKNOWN", "ANSWERED"),
    ("UNKNOWN", "FOUND"),
    ("UNKNOWN", "ABSENT"),
    ("ABSENT", "FOUND"),
}


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(DocumentStatus, DocumentStatus))
)
def test_a_document_follows_its_sheet(source: DocumentStatus, target: DocumentStatus) -> None:
    assert may_follow(source, target) == ((source, target) in DOCUMENTS)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(CallState, CallState)))
def test_an_intent_follows_its_sheet(source: CallState, target: CallState) -> None:
    assert (target in CALL_TRANSITIONS[source]) == ((source, target) in CALLS)


@pytest.mark.parametrize("status", list(BufferStatus))
def test_a_buffer_that_has_its_codes_never_loses_them(status: BufferStatus) -> None:
    following = station.TRANSITIONS[status]
    assert BufferStatus.WAITING not in following
    if status in {BufferStatus.COMPLETE, BufferStatus.SURPLUS}:
        assert following <= {BufferStatus.SURPLUS}


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("IN_PROGRESS", "CHECKING"),
        ("WAIT_FOR_CONTINUATION", "CHECKING"),
        ("CHECKED_OK", "ACCEPTED"),
        ("CHECKED_NOT_OK", "REJECTED"),
        ("PARSE_ERROR", "REJECTED"),
        ("CANCELLED", "REJECTED"),
        ("CANCELED", "REJECTED"),
        ("PROCESSING_ERROR", "TECH_ERROR"),
        ("UNDEFINED", None),
        ("", None),
    ],
)
def test_a_remote_word_means_what_the_sheet_says(remote: str, expected: str | None) -> None:
    assert remote_meaning(remote) == expected


def test_final_documents_have_no_way_on() -> None:
    assert {"ACCEPTED", "REJECTED", "TECH_ERROR", "CANCELLED"} == document.FINAL
