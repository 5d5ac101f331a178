"""Calls of True API: sign-in, documents, status of codes, balance."""

import base64
from collections.abc import Sequence
from typing import Final

import msgspec

from app.integrations.answers import Answer, Unreadable, read_json
from app.integrations.errors import RetryClass, Upstream
from app.integrations.http import UpstreamClient
from app.integrations.requests import Access, Claim, Operation, Outgoing
from app.integrations.true_api_answers import (
    Balance,
    Challenge,
    CodeEntry,
    DocumentInfo,
    DocumentPage,
    SignedIn,
    moment_text,
    read_number,
    read_signed_in,
)

V3: Final = "/api/v3/true-api"
V4: Final = "/api/v4/true-api"
ANY: Final = "*/*"
GROUP: Final = "lp"
GROUP_ID: Final = "1"
MOST_LISTED: Final = 1_000
MOST_CODES_ASKED: Final = 1_000
LARGEST_DOCUMENT: Final = 30 << 20

_SAFE, _TRUE_API = RetryClass.SAFE, Upstream.TRUE_API
AUTH_KEY: Final = Operation(_TRUE_API, "auth_key", _SAFE, "GET", f"{V3}/auth/key")
SIGN_IN: Final = Operation(
    _TRUE_API, "sign_in_true_api", RetryClass.NEVER, "POST", f"{V3}/auth/simpleSignIn"
)
SIGN_IN_SUZ: Final = Operation(
    _TRUE_API, "sign_in_suz", RetryClass.NEVER, "POST", f"{V3}/auth/simpleSignIn/{{}}"
)
SUBMIT_DOCUMENT: Final = Operation(
    _TRUE_API, "submit_document", RetryClass.RECONCILE, "POST", f"{V3}/lk/documents/create"
)
DOCUMENT_LIST: Final = Operation(_TRUE_API, "document_list", _SAFE, "GET", f"{V4}/doc/list")
DOCUMENT_INFO: Final = Operation(_TRUE_API, "document_info", _SAFE, "GET", f"{V4}/doc/{{}}/info")
CISES_INFO: Final = Operation(_TRUE_API, "cises_info", _SAFE, "POST", f"{V3}/cises/info")
BALANCE: Final = Operation(_TRUE_API, "balance", _SAFE, "GET", f"{V3}/elk/product-groups/balance")


async def auth_key(true_api: UpstreamClient, access: Access) -> Answer[Challenge]:
    outgoing = Outgoing(AUTH_KEY, access, accept=ANY)
    return await true_api.call(outgoing, lambda got: read_json(got, Challenge))


def _proof(uuid: str, cms: bytes, inn: str | None) -> bytes:
    data = base64.b64encode(cms).decode()
    named = {"inn": inn} if inn else {}
    return msgspec.json.encode({"uuid": uuid, "data": data, **named})


async def sign_in(
    true_api: UpstreamClient,
    access: Access,
    *,
    uuid: str,
    signature: bytes,
    claim: Claim,
    inn: str | None = None,
) -> Answer[SignedIn]:
    """A True API token for an attached CMS; `inn` when a person signs under a power of attorney."""
    body = _proof(uuid, signature, inn)
    outgoing = Outgoing(SIGN_IN, access, accept=ANY, body=body, claim=claim)
    return await true_api.call(outgoing, read_signed_in)


async def sign_in_suz(
    true_api: UpstreamClient,
    access: Access,
    *,
    oms_connection: str,
    uuid: str,
    signature: bytes,
    claim: Claim,
    inn: str | None = None,
) -> Answer[SignedIn]:
    """A clientToken of SUZ; the former token of the connection dies at once, answered or not."""
    outgoing = Outgoing(
        SIGN_IN_SUZ,
        access,
        path_parts=(oms_connection,),
        accept=ANY,
        body=_proof(uuid, signature, inn),
        claim=claim,
    )
    return await true_api.call(outgoing, read_signed_in)


def document_body(document: bytes, *, document_type: str, signature: bytes) -> bytes:
    """The request around frozen document bytes and their detached CMS, always the same."""
    return msgspec.json.encode(
        {
            "document_format": "MANUAL",
            "product_document": base64.b64encode(document).decode(),
            "type": document_type,
            "signature": base64.b64encode(signature).decode(),
        }
    )


async def submit_document(
    true_api: UpstreamClient,
    access: Access,
    *,
    document: bytes,
    document_type: str,
    signature: bytes,
    claim: Claim,
) -> Answer[str]:
    """The number of the document; its claim gets the SHA-256 of the document bytes."""
    if len(document) > LARGEST_DOCUMENT:
        raise ValueError(f"document: longer than {LARGEST_DOCUMENT} bytes")
    outgoing = Outgoing(
        SUBMIT_DOCUMENT,
        access,
        query=(("pg", GROUP),),
        accept=ANY,
        body=document_body(document, document_type=document_type, signature=signature),
        signed=document,
        claim=claim,
    )
    return await true_api.call(outgoing, read_number)


async def document_list(
    true_api: UpstreamClient,
    access: Access,
    *,
    sender_inn: str | None = None,
    date_from_ms: int | None = None,
    document_type: str | None = None,
    number: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int = MOST_LISTED,
) -> Answer[DocumentPage]:
    """Oldest first; `after` = number and docDate of the last entry of the page before."""
    did, ordered = after or (None, None)
    wanted = {
        "pg": GROUP,
        "limit": str(limit),
        "order": "ASC",
        "number": number,
        "senderInn": sender_inn,
        "dateFrom": moment_text(date_from_ms) if date_from_ms is not None else None,
        "documentType": document_type,
        "did": did,
        "orderedColumnValue": ordered,
        "pageDir": "NEXT" if after else None,
    }
    query = tuple((name, value) for name, value in wanted.items() if value is not None)
    outgoing = Outgoing(DOCUMENT_LIST, access, query=query, accept=ANY)
    return await true_api.call(outgoing, lambda got: read_json(got, DocumentPage))


async def document_info(
    true_api: UpstreamClient, access: Access, *, number: str
) -> Answer[DocumentInfo]:
    """The document with its content, to compare it with ours."""
    query = (("pg", GROUP), ("body", "true"), ("content", "true"))
    outgoing = Outgoing(DOCUMENT_INFO, access, query=query, path_parts=(number,), accept=ANY)
    return await true_api.call(outgoing, _only_one)


def _only_one(body: bytes) -> DocumentInfo:
    found = read_json(body, list[DocumentInfo])
    if len(found) != 1:
        raise Unreadable(f"answer: {len(found)} documents instead of one")
    return found[0]


async def cises_info(
    true_api: UpstreamClient, access: Access, kis: Sequence[str]
) -> Answer[list[CodeEntry]]:
    """Status of codes by their first 31 symbols; NotFound when none of them is known."""
    if not 1 <= len(kis) <= MOST_CODES_ASKED:
        raise ValueError(f"kis: {len(kis)} are not between 1 and {MOST_CODES_ASKED}")
    body = msgspec.json.encode(list(kis))
    outgoing = Outgoing(CISES_INFO, access, query=(("pg", GROUP),), accept=ANY, body=body)
    return await true_api.call(outgoing, lambda got: read_json(got, list[CodeEntry]))


async def balance(true_api: UpstreamClient, access: Access) -> Answer[Balance]:
    query = (("productGroupId", GROUP_ID),)
    outgoing = Outgoing(BALANCE, access, query=query, accept=ANY)
    return await true_api.call(outgoing, lambda got: read_json(got, Balance))
