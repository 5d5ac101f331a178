"""Refusals of the marking API as `application/problem+json`, in Russian."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from app.integrations.errors import UpstreamError
from app.marking.errors import MarkingError, refusal_of
from app.marking.messages_ru import failure_code, hold_text

TITLES = {
    "unauthenticated": "Нужен вход",
    "csrf": "Нет ключа формы",
    "access-denied": "Нет прав",
    "not-found": "Не найдено",
    "route-unknown": "Нет такого адреса",
    "method-unknown": "Метод не поддержан",
    "request-invalid": "Запрос не понят",
    "body-too-large": "Запрос слишком велик",
    "idempotency-key-missing": "Нет Idempotency-Key",
    "idempotency-mismatch": "Ключ уже использован для другого запроса",
    "idempotency-running": "Запрос с этим ключом ещё выполняется",
    "card-not-orderable": "Карточка не готова",
    "document-invalid": "Документ неверен",
    "import-introduction": "Ввод импорта не поддержан",
    "order-invalid": "Заказ неверен",
    "signature-invalid": "Подпись не принята",
    "sign-in-required": "Нужен вход с сертификатом",
    "order-state": "Сейчас это невозможно",
    "issue-invalid": "Выгрузка невозможна",
    "issue-failed": "Файл не сделан",
    "dropout-refused": "Отбраковка отклонена",
    "utilisation-refused": "Нанесение отклонено",
    "upstream-unavailable": "Честный ЗНАК недоступен",
    "storage-unavailable": "База данных недоступна",
    "internal": "Внутренняя ошибка",
}
TYPE = "application/problem+json"
RETRY_S = 30


class Refusal(Exception):
    """A refusal that only the edge knows."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


def of_error(error: Refusal | MarkingError | UpstreamError, public_url: str) -> web.Response:
    """The response; nothing in it repeats a token, a code or a request."""
    if isinstance(error, UpstreamError):
        error = refusal_of(error, hold_text(failure_code(error)))
    if isinstance(error, Refusal):
        members: dict[str, Any] = {"detail": error.detail or None, "errors": error.errors or None}
        response = _response(error.status, error.code, members, public_url=public_url)
        response.headers.update(error.headers)
        return response
    members = {
        "detail": error.text,
        "errors": [{"pointer": e.pointer, "text": e.text} for e in error.errors] or None,
        "order_id": error.order_id,
    }
    response = _response(error.http_status, error.code, members, public_url=public_url)
    if error.order_id is not None:
        response.headers["Location"] = f"/api/v1/marking/orders/{error.order_id}"
    if error.http_status == 503:
        wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
        response.headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return response


def _response(status: int, code: str, members: dict[str, Any], *, public_url: str) -> web.Response:
    body = {
        "type": f"{public_url.rstrip('/')}/problems/{code}",
        "title": TITLES.get(code, TITLES["internal"]),
        "status": status,
        "code": code,
        **{name: value for name, value in members.items() if value is not None},
    }
    headers = {"Content-Type": TYPE, "Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers)
