"""What operators read: refusals, holds and notices in plain Russian."""

import math

from app.domain.marking.order import OrderStatus
from app.integrations.errors import (
    BreakerOpen,
    ChallengeGone,
    Forbidden,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SignatureRefused,
    Unauthorized,
    Unreachable,
    UpstreamError,
)

S = OrderStatus
STATUS_TEXTS = {
    S.INIT: "Создан",
    S.CHECKED: "Проверен в НК",
    S.DOC_SIGNING: "Документ ждёт подписи",
    S.SUZ_SIGNING: "Заказ ждёт подписи",
    S.DOC_SENDING: "Отправляем документ",
    S.SUZ_SENDING: "Отправляем заказ в СУЗ",
    S.CLOSING: "Закрываем заказ",
    S.DOC_CHECKING: "Документ проверяется",
    S.DOC_ACCEPTED: "Документ принят",
    S.EMITTING: "СУЗ готовит коды",
    S.COLLECTING: "Получаем коды",
    S.READY_TO_CLOSE: "Готов к закрытию",
    S.CLOSED: "Заказ закрыт, коды у вас",
    S.POSTPROCESSING: "Завершающие операции",
    S.COMPLETED: "Завершён",
    S.CANCELLED: "Отменён",
    S.DOC_REJECTED: "Документ отклонён",
    S.DECLINED: "Заказ отклонён СУЗ",
}
SIGN_IN_TEXTS = {
    "signature": "Подпись не принята. Выберите другой сертификат и повторите.",
    "late": "Время на подпись вышло. Повторите вход.",
    "forbidden": "Проверьте регистрацию организации, МЧД и сертификат",
    "lost": "Сеанс СУЗ прервался. Войдите ещё раз.",
}
HOLD_TEXTS = {
    "sign-in-required": "Сеанс истёк. Войдите с сертификатом, работа продолжится сама.",
    "two-programs": (
        "Подключение СУЗ использует другая программа. "
        "Создайте отдельное подключение для этого сервиса."
    ),
    "unsigned-at-station": "СУЗ не видит подпись. Проверьте «Документы на подпись» в кабинете.",
    "never-arrives": "Запрос отправлен несколько раз и не доходит. Обратитесь в поддержку.",
    "unknown-outcome": ("Ответ не получен. Проверяем, принят ли запрос; второй раз не отправляем."),
    "upstream-unavailable": "Сервис Честного ЗНАКа недоступен. Повторим автоматически.",
    "breaker-open": "Технические работы на стороне Честного ЗНАКа. Заказ не потерян.",
    "limited": "Превышен лимит запросов. Продолжим автоматически.",
    "forbidden": (
        "Нет доступа или средств: проверьте договор по товарной группе и права сертификата."
    ),
    "bug": "Внутренняя ошибка обмена. Передайте номер запроса в поддержку.",
    "station-full": "Достигнут предел 100 заказов СУЗ. Закройте готовые заказы.",
    "several-found": "Найдено несколько одинаковых отправок. Проверьте их в кабинете.",
    "foreign-candidate": "Это наш заказ? Похожий заказ СУЗ найден без нашего номера.",
    "order-unknown": "СУЗ не знает этот заказ. Обратитесь в поддержку.",
    "codes-missing": "СУЗ выдал коды, но не возвращает их блок. Обратитесь в поддержку СУЗ.",
    "block-changed": "СУЗ вернул другой состав блока.",
    "code-duplicate": "СУЗ повторно выдал код. Обратитесь в поддержку СУЗ.",
    "codes-refused": "СУЗ не выдаёт коды по этому заказу.",
    "close-refused": "СУЗ не закрывает заказ",
    "report-unneeded": (
        "Для лёгкой промышленности отчёт не нужен: нанесение учитывается автоматически. "
        "Снимите отметку."
    ),
    "utilisation-refused": "Отчёт о нанесении отклонён",
    "dropout-refused": "Отчёт об отбраковке отклонён",
    "report-lost": "Ответ на отчёт не найден. Отправить заново или считать отправленным?",
    "document-rejected": "Документ отклонён",
    "signature-invalid": "Подпись должна быть откреплённой. Проверьте настройку подписи.",
    "signer-broken": "Автоматическая подпись не работает. Проверьте её настройку.",
    "check-failed": "Товар не прошёл проверку в каталоге",
    "declined-while-collecting": "СУЗ отклонил заказ во время выдачи кодов.",
    "sending-too-long": "Отправка длится дольше 15 минут.",
    "introduction-refused": "Ввод в оборот невозможен",
    "label-mismatch": "Символ на этикетке читается не так, как код. Печать остановлена.",
}
DOCUMENT_SIGNATURE = "Подпись документа не принята. Подпишите ещё раз."
TYPE_CLOSED = "Этот документ недоступен для товарной группы."
ESCALATION_TEXTS = {
    "document": "Документ проверяется дольше часа. Заказ не потерян, продолжаем ждать.",
    "emission": "СУЗ готовит коды дольше часа. Заказ не потерян, продолжаем ждать.",
    "collecting": "Коды не приходят больше получаса. Заказ не потерян, продолжаем ждать.",
    "postprocess": "Завершающие операции идут дольше часа. Продолжаем ждать.",
}


def sign_in_text(error: UpstreamError) -> str | None:
    """None: no refusal, the answer was lost or never came."""
    match error:
        case SignatureRefused():
            return SIGN_IN_TEXTS["signature"]
        case ChallengeGone():
            return SIGN_IN_TEXTS["late"]
        case Forbidden() | InvalidRequest() | NotFound():
            return f"{error.failure.text}. {SIGN_IN_TEXTS['forbidden']}"
        case _:
            return None


_FAILURE_CODES: tuple[tuple[type[UpstreamError], str], ...] = (
    (Unauthorized, "sign-in-required"),
    (RateLimited, "limited"),
    (BreakerOpen, "breaker-open"),
    (Forbidden, "forbidden"),
    (Unreachable, "upstream-unavailable"),
    (OutcomeUnknown, "upstream-unavailable"),
)


def failure_code(error: UpstreamError) -> str:
    """Under which of the texts above an upstream's error is shown."""
    return next((code for kind, code in _FAILURE_CODES if isinstance(error, kind)), "bug")


def declined_text(reason: str) -> str:
    return f"СУЗ отклонил заказ: {reason}"


def hold_text(code: str) -> str:
    return HOLD_TEXTS.get(code, code)


def limited_text(wait_s: float) -> str:
    return f"Превышен лимит запросов. Продолжим через {math.ceil(wait_s)} с."


def closed_text(stored: int, ordered: int) -> str:
    if stored >= ordered:
        return "Заказ закрыт, коды получены"
    return (
        f"Заказ закрыт на стороне СУЗ. Получено {stored} из {ordered}, "
        "недостающие можно заказать заново."
    )


def malformed_text(count: int) -> str:
    return f"{count} {_codes_word(count)} не по формату: выгрузить можно, печатать нельзя."


def _codes_word(count: int) -> str:
    if count % 100 in range(11, 15):
        return "кодов"
    return {1: "код", 2: "кода", 3: "кода", 4: "кода"}.get(count % 10, "кодов")
