"""Lives of documents as a sheet."""

import itertools

import pytest

from app.domain.marking import document
from app.domain.marking.document import DocumentStatus, may_follow, remote_meaning

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


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(DocumentStatus, DocumentStatus))
)
def test_a_document_follows_its_sheet(source: DocumentStatus, target: DocumentStatus) -> None:
    assert may_follow(source, target) == ((source, target) in DOCUMENTS)


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
