"""Forms of the documents a light-industry participant may send."""

import datetime as dt
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from deploy.sandbox.identifiers import is_gtin

FORM = ConfigDict(extra="forbid")
_WEIGHTS_10 = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_WEIGHTS_11 = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_WEIGHTS_12 = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def is_inn(text: str) -> bool:
    if not text.isascii() or not text.isdigit() or len(text) not in {10, 12}:
        return False
    if len(text) == 10:
        return _sum(text, _WEIGHTS_10) == int(text[9])
    return _sum(text, _WEIGHTS_11) == int(text[10]) and _sum(text, _WEIGHTS_12) == int(text[11])


def _sum(text: str, weights: tuple[int, ...]) -> int:
    return sum(w * int(d) for w, d in zip(weights, text, strict=False)) % 11 % 10


def _inn(text: str) -> str:
    if not is_inn(text):
        raise ValueError("not an ИНН")
    return text


def _gtin(text: str) -> str:
    if not is_gtin(text):
        raise ValueError("not a GTIN of 14 digits")
    return text


def _date(text: str) -> str:
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
        return text
    dt.datetime.fromisoformat(text)
    return text


Inn = Annotated[str, AfterValidator(_inn)]
Gtin = Annotated[str, AfterValidator(_gtin)]
Date = Annotated[str, AfterValidator(_date)]
Ki = Annotated[str, Field(min_length=31, max_length=31)]


class Certificate(BaseModel):
    model_config = FORM
    certificate_type: Literal[
        "CONFORMITY_CERTIFICATE", "CONFORMITY_DECLARATION", "STATE_REGISTRATION_CERTIFICATE"
    ]
    certificate_number: str = Field(min_length=1)
    certificate_date: Date


class IntroducedLine(BaseModel):
    model_config = FORM
    uit_code: Ki | None = None
    gtin: Gtin | None = None
    quantity: int | None = Field(None, ge=1, le=2_000_000, strict=True)
    tnved_code: str = Field(pattern=r"^\d{10}$")
    certificate_document_data: list[Certificate] | None = None
    production_date: Date | None = None

    @model_validator(mode="after")
    def _either(self) -> "IntroducedLine":
        if self.uit_code and (self.gtin or self.quantity):
            raise ValueError("uit_code excludes gtin and quantity")
        return self


class IntroduceGoods(BaseModel):
    """`LP_INTRODUCE_GOODS`, with codes or, as the pre-order template, without."""

    model_config = FORM
    allowed: ClassVar[frozenset[str]] = frozenset({"APPLIED"})
    participant_inn: Inn
    producer_inn: Inn
    owner_inn: Inn
    production_date: Date | None = None
    production_type: Literal["OWN_PRODUCTION"]
    production_order_id: str | None = Field(None, min_length=1, max_length=256)
    products: list[IntroducedLine] = Field(min_length=1)

    def sender(self) -> str:
        return self.participant_inn

    def kis(self) -> list[str]:
        return [line.uit_code for line in self.products if line.uit_code]


class ReceiptLine(BaseModel):
    model_config = FORM
    cis: Ki
    product_cost: int | None = Field(None, ge=0, strict=True)
    primary_document_type: str | None = None
    primary_document_number: str | None = None
    primary_document_date: Date | None = None
    primary_document_custom_name: str | None = None


_RECEIPT_ACTIONS = Literal[
    "RETAIL",
    "EAS_TRADE",
    "BEYOND_EEC_EXPORT",
    "RETURN",
    "DISTANCE",
    "BY_SAMPLES",
    "DONATION",
    "STATE_CONTRACT",
    "STATE_SECRET",
    "CONFISCATION",
    "DESTRUCTION",
    "LOSS",
    "UTILIZATION",
    "OWN_USE",
    "OTHER",
]


class Receipt(BaseModel):
    """`LK_RECEIPT`: withdrawal."""

    model_config = FORM
    allowed: ClassVar[frozenset[str]] = frozenset({"INTRODUCED"})
    inn: Inn
    action: _RECEIPT_ACTIONS
    action_date: Date
    withdrawal_type_other: str | None = Field(None, min_length=1, max_length=1024)
    buyer_inn: Inn | None = None
    state_contract_id: str | None = None
    document_type: (
        Literal[
            "CONSIGNMENT_NOTE",
            "CUSTOMS_DECLARATION",
            "DESTRUCTION_ACT",
            "OTHER",
            "RECEIPT",
            "SALES_RECEIPT",
            "UTD",
        ]
        | None
    ) = None
    document_number: str | None = None
    document_date: Date | None = None
    primary_document_custom_name: str | None = None
    destination_country_code: str | None = None
    importer_id: str | None = None
    kpp: str | None = None
    fias_id: str | None = None
    products: list[ReceiptLine] = Field(min_length=1)

    @model_validator(mode="after")
    def _other(self) -> "Receipt":
        if self.action == "OTHER" and not self.withdrawal_type_other:
            raise ValueError("withdrawal_type_other is needed with OTHER")
        if self.action == "DONATION" and not self.buyer_inn:
            raise ValueError("buyer_inn is needed with DONATION")
        return self

    def sender(self) -> str:
        return self.inn

    def kis(self) -> list[str]:
        return [line.cis for line in self.products]


class WriteOff(BaseModel):
    """`WRITE_OFF`: codes that were spoiled or lost."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)
    allowed: ClassVar[frozenset[str]] = frozenset({"EMITTED", "APPLIED", "INTRODUCED"})
    participant_id: Inn
    dropout_reason: Literal["DAMAGE_LOSS", "DEFECT", "DESTRUCTION", "BEFORE_MARKING"]
    with_child: bool = True
    sntins: list[Ki] = Field(min_length=1)
    source_doc_type: Literal["DESTRUCTION_ACT", "OTHER"]
    source_doc_num: str = Field(min_length=1)
    source_doc_date: Date
    source_doc_name: str | None = None
    kpp: str | None = None
    fias_id: str | None = None

    def sender(self) -> str:
        return self.participant_id

    def kis(self) -> list[str]:
        return list(self.sntins)


FORMS: dict[str, type[IntroduceGoods | Receipt | WriteOff]] = {
    "LP_INTRODUCE_GOODS": IntroduceGoods,
    "LK_RECEIPT": Receipt,
    "WRITE_OFF": WriteOff,
}
