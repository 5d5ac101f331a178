"""Calls of True API as they go out, and its answers as we read them."""

import base64
import hashlib
from urllib.parse import quote

import pytest

from app.integrations import true_api
from app.integrations.errors import (
    AnswerUnreadable,
    NotFound,
    Unauthorized,
    Upstream,
)
from app.integrations.redaction import Secret
from app.integrations.requests import by_bearer
from app.integrations.true_api_answers import (
    CodeWord,
    DocumentWord,
    moment_ms,
    moment_text,
    read_number,
)
from tests.clients.conftest import Claims, Connect, Watcher
from tests.clients.remote import Remote, sample

BEARER = by_bearer("participant", Secret("token-1"))
NUMBER = "a1a1a1a1-0000-4000-8000-00000000d001"
DOCUMENT = '{"participant_inn":"7700000016",  "odd":"пробелы"}'.encode()
CMS = bytes(range(256)) * 4


async def test_a_document_goes_out_as_frozen_with_its_detached_signature(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(NUMBER).says(NUMBER)
    client = connect(Upstream.TRUE_API)
    for _ in range(2):
        got = await true_api.submit_document(
            client,
            BEARER,
            document=DOCUMENT,
            document_type="LP_INTRODUCE_GOODS",
            signature=CMS,
            claim=claim,
        )
    first, second = remote.seen
    assert (first.path, first.query) == ("/api/v3/true-api/lk/documents/create", {"pg": "lp"})
    assert first.headers["Authorization"] == "Bearer token-1"
    assert set(first.json()) == {"document_format", "product_document", "type", "signature"}
    assert first.json()["document_format"] == "MANUAL"
    assert base64.b64decode(first.json()["product_document"]) == DOCUMENT
    assert base64.b64decode(first.json()["signature"]) == CMS
    assert second.body == first.body
    assert claim.digests == [hashlib.sha256(DOCUMENT).hexdigest()] * 2
    assert got.value == NUMBER


@pytest.mark.parametrize(
    "body",
    [NUMBER, f" {NUMBER}\n", f'"{NUMBER}"', f'{{"value":"{NUMBER}"}}', f'{{"id":"{NUMBER}"}}'],
)
def test_a_number_is_read_in_every_form(body: str) -> None:
    assert read_number(body.encode()) == NUMBER


@pytest.mark.parametrize("body", [b"", b"<html/>", b"{}", b'"x"', b"null", b"\xff", b'{"id":7}'])
async def test_a_document_without_a_number_is_unknown(
    *, remote: Remote, connect: Connect, claim: Claims, body: bytes
) -> None:
    remote.says(body, status=201)
    with pytest.raises(AnswerUnreadable):
        await true_api.submit_document(
            connect(Upstream.TRUE_API),
            BEARER,
            document=DOCUMENT,
            document_type="LP_INTRODUCE_GOODS",
            signature=CMS,
            claim=claim,
        )


async def test_documents_are_listed_by_sender_date_and_page(
    *, remote: Remote, connect: Connect, watcher: Watcher
) -> None:
    remote.says(sample("true_api_documents.json"))
    got = await true_api.document_list(
        connect(Upstream.TRUE_API),
        BEARER,
        sender_inn="7700000016",
        date_from_ms=1_759_306_526_748,
        document_type="LP_INTRODUCE_GOODS",
        after=(NUMBER, "2025-10-01T08:15:26.748Z"),
    )
    seen = remote.seen[0]
    assert seen.path == "/api/v4/true-api/doc/list"
    assert seen.query == {
        "pg": "lp",
        "limit": "1000",
        "order": "ASC",
        "senderInn": "7700000016",
        "dateFrom": "2025-10-01T08:15:26.748Z",
        "documentType": "LP_INTRODUCE_GOODS",
        "did": NUMBER,
        "orderedColumnValue": "2025-10-01T08:15:26.748Z",
        "pageDir": "NEXT",
    }
    refused, odd = got.value.results
    assert got.value.next_page
    assert refused.status is DocumentWord.CHECKED_NOT_OK
    assert refused.texts == ("41: Недостаточное описание товара",)
    assert (odd.status, odd.status.known, odd.texts) == ("UNDEFINED", False, ())
    assert watcher.unknown == [(Upstream.TRUE_API, "DocumentWord")]


async def test_one_document_is_asked_by_its_number_alone(remote: Remote, connect: Connect) -> None:
    remote.says(sample("true_api_documents.json"))
    await true_api.document_list(connect(Upstream.TRUE_API), BEARER, number=NUMBER, limit=1)
    assert remote.seen[0].query == {"pg": "lp", "limit": "1", "order": "ASC", "number": NUMBER}


async def test_a_document_is_read_back_with_its_content(remote: Remote, connect: Connect) -> None:
    remote.says(sample("true_api_document_info.json"))
    got = await true_api.document_info(connect(Upstream.TRUE_API), BEARER, number=NUMBER)
    assert remote.seen[0].path == f"/api/v4/true-api/doc/{NUMBER}/info"
    assert got.value.document is not None
    assert got.value.document["production_order_id"] == "mk-0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("fields", "document"),
    [
        ('"body":"{\\"a\\":1}"', {"a": 1}),
        ('"body":null,"content":{"a":1}', {"a": 1}),
        ('"body":"<xml/>","content":"{\\"a\\":1}"', {"a": 1}),
        ('"body":"<xml/>"', None),
        ('"content":[1]', None),
    ],
)
async def test_the_content_is_found_wherever_it_stands(
    *, remote: Remote, connect: Connect, fields: str, document: object
) -> None:
    remote.says(f'[{{"number":"{NUMBER}","status":"CHECKED_OK",{fields}}}]')
    got = await true_api.document_info(connect(Upstream.TRUE_API), BEARER, number=NUMBER)
    assert got.value.document == document


async def test_a_number_cannot_leave_its_place_in_the_address(
    remote: Remote, connect: Connect
) -> None:
    remote.says("[]")
    with pytest.raises(AnswerUnreadable, match="0 documents"):
        await true_api.document_info(connect(Upstream.TRUE_API), BEARER, number="../a?b")
    assert quote(remote.seen[0].path) == "/api/v4/true-api/doc/../a%3Fb/info"
    assert set(remote.seen[0].query) == {"pg", "body", "content"}


async def test_codes_are_asked_by_their_ki(remote: Remote, connect: Connect) -> None:
    remote.says(sample("true_api_cises.json")).says("[]", status=404)
    client = connect(Upstream.TRUE_API)
    got = await true_api.cises_info(client, BEARER, ["0104600000000015215AbCd1234EfG7", "bad"])
    seen = remote.seen[0]
    assert (seen.path, seen.query) == ("/api/v3/true-api/cises/info", {"pg": "lp"})
    assert seen.json() == ["0104600000000015215AbCd1234EfG7", "bad"]
    known, unknown = got.value
    assert known.cis_info.status is CodeWord.APPLIED
    assert (unknown.cis_info.status, unknown.error_code) == (None, "404")
    with pytest.raises(NotFound):
        await true_api.cises_info(client, BEARER, ["bad"])
    with pytest.raises(ValueError, match="kis"):
        await true_api.cises_info(client, BEARER, [])


async def test_a_dead_token_is_told_in_xml_as_well(remote: Remote, connect: Connect) -> None:
    remote.says(sample("unauthorized.xml"), status=401)
    with pytest.raises(Unauthorized, match="Full authentication"):
        await true_api.balance(connect(Upstream.TRUE_API), BEARER)


async def test_the_balance_is_read_in_kopecks(remote: Remote, connect: Connect) -> None:
    remote.says(sample("true_api_balance.json"))
    got = await true_api.balance(connect(Upstream.TRUE_API), BEARER)
    assert remote.seen[0].path == "/api/v3/true-api/elk/product-groups/balance"
    assert remote.seen[0].query == {"productGroupId": "1"}
    assert got.value.balance == 1_250_000


def test_a_moment_survives_writing_and_reading() -> None:
    for at_ms in (0, 1, 999, 1_759_306_526_748):
        assert moment_ms(moment_text(at_ms)) == at_ms
    assert moment_text(1_759_306_526_748) == "2025-10-01T08:15:26.748Z"
    assert moment_ms("2025-10-01T08:15:26.748") is None
