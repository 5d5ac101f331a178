"""What each foreign answer means, and that no error shows a token or a full code."""

import logging
import traceback

import pytest

from app.integrations.answers import Unreadable, http_date_ms, read_json, retry_after_s
from app.integrations.errors import (
    ChallengeGone,
    Contradicted,
    FieldProblem,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotSent,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RetryClass,
    ServerFailed,
    SignatureRefused,
    Unauthorized,
    Unexpected,
    Upstream,
    UpstreamError,
)
from app.integrations.redaction import LONGEST_TEXT, Secret, redacted
from app.integrations.refusals import Told, error_of, told
from app.integrations.requests import Operation, Outgoing, by_apikey, by_bearer, by_station
from tests.clients.conftest import Connect
from tests.clients.remote import Remote, sample

NK, TRUE_API, SUZ = Upstream.NK, Upstream.TRUE_API, Upstream.SUZ
KI = "0104600000000015215AbCd1234EfG7"
FULL = f"{KI}\x1d91EE12\x1d92" + "Ab1+" * 11
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NjAwMDAwMDB9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
NO_TEXT = Told("")


@pytest.mark.parametrize(
    ("upstream", "status", "said", "expected"),
    [
        (SUZ, 400, NO_TEXT, InvalidRequest),
        (SUZ, 400, Told("token", codes=(1140,)), Unauthorized),
        (NK, 400, Told("token", codes=(1140,)), InvalidRequest),
        (SUZ, 400, Told("closed", codes=(3370,)), InvalidRequest),
        (SUZ, 401, NO_TEXT, Unauthorized),
        (TRUE_API, 402, NO_TEXT, Forbidden),
        (TRUE_API, 403, NO_TEXT, Forbidden),
        (NK, 404, NO_TEXT, NotFound),
        (TRUE_API, 406, NO_TEXT, Unexpected),
        (TRUE_API, 408, NO_TEXT, ServerFailed),
        (TRUE_API, 409, NO_TEXT, Contradicted),
        (TRUE_API, 410, NO_TEXT, NotFound),
        (SUZ, 413, NO_TEXT, SignatureRefused),
        (NK, 413, NO_TEXT, Unexpected),
        (TRUE_API, 414, NO_TEXT, Unexpected),
        (TRUE_API, 422, Told("Ошибка проверки подписи"), SignatureRefused),
        (TRUE_API, 422, Told("LP_X недоступен для товарной группы lp"), InvalidRequest),
        (TRUE_API, 400, Told("Ошибка при проверке подписи"), SignatureRefused),
        (TRUE_API, 400, Told("Подпись не валидна"), SignatureRefused),
        (TRUE_API, 400, Told("Отсутствует обязательное поле: signature"), InvalidRequest),
        (TRUE_API, 400, Told("UUID не найден в хранилище ключей. UUID = 1"), ChallengeGone),
        (NK, 424, NO_TEXT, Unexpected),
        (SUZ, 425, NO_TEXT, Contradicted),
        (SUZ, 429, NO_TEXT, RateLimited),
        (SUZ, 500, NO_TEXT, ServerFailed),
        (SUZ, 502, NO_TEXT, ServerFailed),
        (SUZ, 503, NO_TEXT, ServerFailed),
        (SUZ, 301, NO_TEXT, ServerFailed),
    ],
)
def test_a_status_means(
    *, upstream: Upstream, status: int, said: Told, expected: type[UpstreamError]
) -> None:
    assert error_of(upstream, status, said) is expected


@pytest.mark.parametrize("upstream", list(Upstream))
def test_every_status_code_has_a_meaning_that_is_safe_for_effects(upstream: Upstream) -> None:
    proves_not_processed = {401, 429}
    may_be_processed = {408, 409, 425}
    for status in [*range(300, 1000)]:
        kind = error_of(upstream, status, NO_TEXT)
        if status in proves_not_processed:
            assert issubclass(kind, NotSent), status
        elif status in may_be_processed or not 400 <= status < 500:
            assert issubclass(kind, OutcomeUnknown), status
        else:
            assert issubclass(kind, Refused), status


def test_every_error_of_the_tree_has_an_outcome() -> None:
    def leaves(kind: type[UpstreamError]) -> list[type[UpstreamError]]:
        children = kind.__subclasses__()
        return [leaf for child in children for leaf in leaves(child)] or [kind]

    found = leaves(UpstreamError)
    assert len(found) == 17
    assert {leaf.outcome_of_class for leaf in found} == set(Outcome) - {
        Outcome.OK,
        Outcome.UNAVAILABLE,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unauthorized.xml", "Full authentication is required to access this resource"),
        ("unauthorized.json", "Для доступа к этому ресурсу требуется полная аутентификация"),
        ("gateway.html", "502 Bad Gateway nginx"),
        ("spring_error.json", "pg: must not be blank"),
        ("nk_errors.json", "gtin: неверная длина"),
    ],
)
def test_a_refusal_is_read_in_any_shape(name: str, text: str) -> None:
    assert text in told(sample(name)).text


@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"[]", b"7", b"\xff", b'{"errors":7}'])
def test_a_refusal_without_words_is_no_trouble(body: bytes) -> None:
    assert told(body).fields == ()


def test_a_refusal_of_suz_is_read_field_by_field() -> None:
    said = told(sample("suz_field_errors.json"))
    assert said.fields == (
        FieldProblem("products[0].gtin", "не найдено в реестре", 1010),
        FieldProblem("attributes.releaseMethodType", "обязательное поле", 1010),
    )
    assert said.codes == (1010, 1010, 7)


@pytest.mark.parametrize(
    "text",
    [
        f"код {FULL} уже выбыл",
        f"код {FULL.replace(chr(29), '')} уже выбыл",
        "код " + FULL.replace("\x1d", "\\u001d") + " уже выбыл",
        "код " + FULL.replace("\x1d", "<GS>") + " уже выбыл",
    ],
)
def test_a_full_code_is_shown_as_its_ki_only(text: str) -> None:
    shown = redacted(text)
    assert KI in shown
    assert "EE12" not in shown
    assert "Ab1+" not in shown
    assert shown.endswith("уже выбыл")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Access token expired: {JWT}", JWT),
        ("Маркер безопасности 3f0e0d0c-0000-4000-8000-00000000c001 не соответствует", "3f0e0d0c"),
        ("GET /v3/product?apikey=abcdef0123456789abc&gtin=1", "abcdef0123456789abc"),
        ("clientToken: 3f0e0d0c-0000-4000-8000-00000000c001", "3f0e0d0c"),
        ("подпись " + "MIIB" * 60, "MIIBMIIB"),
    ],
)
def test_tokens_and_signatures_are_cut_out(text: str, secret: str) -> None:
    assert secret not in redacted(text)


def test_a_long_text_is_shortened() -> None:
    assert len(redacted("а б " * 1_000)) == LONGEST_TEXT + 1


@pytest.mark.parametrize(
    "access",
    [
        by_station("p", "oms", client_token=Secret("secret-4f0e0d0c")),
        by_bearer("p", Secret("secret-4f0e0d0c")),
        by_apikey("p", Secret("secret-4f0e0d0c")),
    ],
    ids=["clientToken", "bearer", "apikey"],
)
async def test_no_error_text_or_log_line_shows_a_token_or_a_code(
    *, remote: Remote, connect: Connect, caplog: pytest.LogCaptureFixture, access: object
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f'{{"globalErrors":[{{"error":"token secret-4f0e0d0c, code {FULL}","errorCode":1}}]}}'
    remote.says(echo.replace("\x1d", "\\u001d"), status=400).says("{}").drops()
    suz = connect(Upstream.SUZ)
    operation = Operation(Upstream.SUZ, "look", RetryClass.SAFE, "GET", "/look")
    outgoing = Outgoing(operation, access, body=FULL.encode())  # type: ignore[arg-type]
    shown = [repr(outgoing), repr(access)]
    for _ in range(3):
        try:
            shown.append(repr(await suz.call(outgoing, lambda got: got.decode())))
        except UpstreamError as error:
            shown += traceback.format_exception(error)
            shown += [str(error), repr(error.failure)]
    everything = "\n".join([*shown, caplog.text])
    assert "Refus" in everything or "InvalidRequest" in everything
    assert "secret-4f0e0d0c" not in everything
    assert "EE12" not in everything


def test_retry_after_is_read_as_seconds_or_as_a_date_of_their_clock() -> None:
    now = http_date_ms("Wed, 01 Oct 2025 08:15:00 GMT")
    assert now == 1_759_306_500_000
    assert retry_after_s("3", now) == 3
    assert retry_after_s("Wed, 01 Oct 2025 08:16:00 GMT", now) == 60
    assert retry_after_s("Wed, 01 Oct 2025 08:14:00 GMT", now) == 0
    assert retry_after_s("Wed, 01 Oct 2025 08:16:00 GMT", None) is None
    assert retry_after_s("99999999999", now) == 86_400
    assert http_date_ms("yesterday") is None


def test_a_reading_error_names_the_place_and_not_the_value() -> None:
    with pytest.raises(Unreadable) as caught:
        read_json(b'{"a":"never-shown"}', dict[str, int])
    assert "$[...]" in str(caught.value)
    assert "never-shown" not in str(caught.value)
