"""Names of fields in bodies and answers, in the words of the person who filled them in."""

import re

_PART = re.compile(r"([A-Za-z_]+)(?:\[(\d+)\]|[./](\d+))?")
_UNTOLD = {"attributes", "body", "postprocess"}
_WORDS = {
    "lines": "строка",
    "products": "строка",
    "gtin": "GTIN",
    "quantity": "количество",
    "serialNumberType": "способ нумерации",
    "serialNumbers": "серийный номер",
    "serial_numbers": "серийный номер",
    "templateId": "шаблон кода",
    "cisType": "вид кода",
    "tnved": "ТН ВЭД",
    "tnved_code": "ТН ВЭД",
    "uit_code": "код",
    "cis": "код",
    "sntins": "код",
    "certificates": "сертификат",
    "certificate_document_data": "сертификат",
    "certificate_type": "вид",
    "certificate_number": "номер",
    "certificate_date": "дата",
    "number": "номер",
    "date": "дата",
    "production_date": "дата производства",
    "participant_inn": "ИНН участника",
    "producer_inn": "ИНН изготовителя",
    "owner_inn": "ИНН владельца",
    "contactPerson": "контактное лицо",
    "contact_person": "контактное лицо",
    "releaseMethodType": "способ выпуска",
    "createMethodType": "способ изготовления",
    "productionOrderId": "номер заказа",
    "production_order_id": "номер заказа",
    "productGroup": "товарная группа",
    "dropout": "отбраковка",
    "withdraw": "вывод из оборота",
    "reason": "причина",
    "other": "причина",
    "action_date": "дата вывода",
    "source_document_number": "номер документа",
    "source_document_date": "дата документа",
    "document_date": "дата документа",
}


def field_words(name: str) -> str:
    """`products[0].gtin` as «Строка 1, GTIN»; a name without words stays as it is."""
    told = [_word(*part.groups()) for part in _PART.finditer(name) if part[1] not in _UNTOLD]
    words = ", ".join(told) or name
    return words[:1].upper() + words[1:]


def _word(name: str, bracketed: str | None, dotted: str | None) -> str:
    word, number = _WORDS.get(name, name), bracketed or dotted
    return word if number is None else f"{word} {int(number) + 1}"


def told(field: str, text: str) -> str:
    """What is wrong with a field, as one line."""
    return f"{field_words(field)}: {text}" if field else text
