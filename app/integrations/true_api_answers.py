"""Answers of True API: documents, codes, sign-in; remote words are kept as they come."""

import datetime as dt
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from app.integrations.answers import Tolerant, Unreadable, Uuid, read_json
from app.integrations.redaction import Secret, Veiled, redacted

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)


class DocumentWord(Tolerant):
    IN_PROGRESS = "IN_PROGRESS"
    WAIT_FOR_CONTINUATION = "WAIT_FOR_CONTINUATION"
    CHECKED_OK = "CHECKED_OK"
    CHECKED_NOT_OK = "CHECKED_NOT_OK"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    PARSE_ERROR = "PARSE_ERROR"
    ACCEPTED = "ACCEPTED"
    WAIT_ACCEPTANCE = "WAIT_ACCEPTANCE"
    WAIT_PARTICIPANT_REGISTRATION = "WAIT_PARTICIPANT_REGISTRATION"
    CANCELLED = "CANCELLED"
    CANCELED = "CANCELED"


class CodeWord(Tolerant):
    EMITTED = "EMITTED"
    APPLIED = "APPLIED"
    INTRODUCED = "INTRODUCED"
    RETIRED = "RETIRED"
    WRITTEN_OFF = "WRITTEN_OFF"
    DISAGGREGATION = "DISAGGREGATION"


class Challenge(Struct, frozen=True):
    """Text to sign for one sign-in; anything but short plain letters is not shown to a signer."""

    uuid: Uuid
    data: Annotated[str, Meta(pattern="^[A-Za-z0-9]{1,128}$")]


class SignedIn(Veiled, Struct, frozen=True):
    """A new token and the end of its life as the remote side states it, if it does."""

    token: Secret
    expires_at_ms: int | None = None


class DocumentEntry(Struct, frozen=True, rename="camel"):
    number: str
    status: DocumentWord
    type: str | None = None
    doc_date: str | None = None
    received_at: str | None = None
    sender_inn: str | None = None
    receiver_inn: str | None = None
    related_doc_id: str | None = None
    download_desc: str | None = None
    input: bool | None = None
    errors: list[str] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Why it was refused: its errors, else its description."""
        told = self.errors or filter(None, [self.download_desc])
        return tuple(redacted(text) for text in told)


class DocumentPage(Struct, frozen=True, rename="camel"):
    results: list[DocumentEntry]
    next_page: bool = False


class CommonError(Struct, frozen=True, rename="camel"):
    error_code: int | str | None = None
    error_message: str | None = None
    error_object: str | None = None


class DocumentInfo(Struct, frozen=True, rename="camel"):
    """One document with what was sent, as far as the remote side gives it back."""

    number: str
    status: DocumentWord
    type: str | None = None
    doc_date: str | None = None
    body: Any = None
    content: Any = None
    errors: list[str] | None = None
    common_errors: list[CommonError] | None = None

    @property
    def document(self) -> dict[str, Any] | None:
        """The document itself, from `body` or `content`, an object or its JSON text."""
        return next(filter(None, map(_as_object, (self.body, self.content))), None)


class CodeInfo(Struct, frozen=True, rename="camel"):
    requested_cis: str
    cis: str | None = None
    gtin: str | None = None
    status: CodeWord | None = None
    status_ex: str | None = None
    owner_inn: str | None = None
    emission_type: str | None = None
    mark_withdraw: bool | None = None
    product_group: str | None = None


class CodeEntry(Struct, frozen=True, rename="camel"):
    cis_info: CodeInfo
    error_message: str | None = None
    error_code: str | int | None = None


class Balance(Struct, frozen=True, rename="camel"):
    """Money left on the account of a product group, in kopecks."""

    balance: int | None = None
    product_group_id: int | None = None


class _Token(Veiled, Struct, frozen=True):
    token: str | None = None
    client_token: str | None = None
    clientToken: str | None = None  # noqa: N815  (both spellings are met)
    uuidToken: str | None = None  # noqa: N815
    expireDate: str | None = None  # noqa: N815


class _Number(Struct, frozen=True):
    value: str | None = None
    id: str | None = None


def moment_ms(text: str | None) -> int | None:
    """A moment written in ISO 8601 with a zone, in ms UTC."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment - EPOCH) // MILLISECOND if moment.tzinfo else None


def moment_text(at_ms: int) -> str:
    moment = EPOCH + at_ms * MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_signed_in(body: bytes) -> SignedIn:
    got = read_json(body, _Token)
    token = got.token or got.clientToken or got.client_token or got.uuidToken
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unreadable("token: absent or not printable ASCII")
    return SignedIn(Secret(token), moment_ms(got.expireDate))


def read_number(body: bytes) -> str:
    """The number of a document: bare text, a JSON string, or an object with `value` or `id`."""
    text = body.strip()
    if text.startswith(b"{"):
        wrapped = read_json(text, _Number)
        text = (wrapped.value or wrapped.id or "").encode()
    elif text.startswith(b'"'):
        text = read_json(text, str).encode()
    return read_json(msgspec.json.encode(text.decode("utf-8", "replace")), Uuid)


def _as_object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    return value if isinstance(value, dict) else None
