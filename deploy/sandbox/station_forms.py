"""Bodies of SUZ requests, and the translation of their flaws into fieldErrors."""

import re
import uuid
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from deploy.sandbox.answers import suz_field_refusal
from deploy.sandbox.document_forms import Inn
from deploy.sandbox.identifiers import ALPHABET, SERIAL_LENGTH, is_gtin

FORM = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)
MAX_SINGLE, MAX_SEVERAL, MAX_GTINS, MAX_REPORT = 2_000_000, 150_000, 10, 30_000
_SYMBOLS = frozenset(ALPHABET)
Form = TypeVar("Form", bound=BaseModel)


def _gtin(text: str) -> str:
    if not is_gtin(text):
        raise ValueError("нужны 14 цифр с верной контрольной цифрой")
    return text


def _uuid(text: str) -> str:
    try:
        uuid.UUID(text)
    except ValueError as error:
        raise ValueError("не UUID") from error
    return text


def _order_number(text: str) -> str:
    if any(symbol.isspace() or not symbol.isprintable() for symbol in text):
        raise ValueError("пробелы и непечатаемые символы недопустимы")
    return text


Gtin = Annotated[str, AfterValidator(_gtin)]
Uuid = Annotated[str, AfterValidator(_uuid)]
OrderNumber = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_order_number)]


class ProductAttributes(BaseModel):
    model_config = FORM
    producer: Inn | None = None


class Product(BaseModel):
    model_config = FORM
    gtin: Gtin
    quantity: int = Field(gt=0, le=MAX_SINGLE)
    serial_number_type: Literal["OPERATOR", "SELF_MADE"]
    serial_numbers: list[str] | None = None
    template_id: Literal[10]
    cis_type: Literal["UNIT", "BUNDLE", "SET"]
    attributes: ProductAttributes | None = None

    @model_validator(mode="after")
    def _serials(self) -> "Product":
        serials = self.serial_numbers
        if self.serial_number_type == "OPERATOR":
            if serials is not None:
                raise ValueError("serialNumbers: недопустимы при OPERATOR")
            return self
        if not serials or len(serials) != self.quantity or len(set(serials)) != len(serials):
            raise ValueError("serialNumbers: нужны уникальные номера по числу quantity")
        if any(len(s) != SERIAL_LENGTH or not _SYMBOLS.issuperset(s) for s in serials):
            raise ValueError(f"serialNumbers: {SERIAL_LENGTH} символов из алфавита")
        return self


class OrderAttributes(BaseModel):
    model_config = FORM
    contact_person: str | None = Field(None, min_length=1, max_length=128)
    release_method_type: Literal["PRODUCTION", "IMPORT", "REMAINS", "REMARK", "COMMISSION"]
    create_method_type: Literal["SELF_MADE", "CEM", "CM", "CL", "CA"] | None = None
    production_order_id: OrderNumber | None = None


class OrderForm(BaseModel):
    model_config = FORM
    product_group: Literal["lp"]
    products: list[Product] = Field(min_length=1, max_length=MAX_GTINS)
    service_provider_id: Uuid | None = None
    attributes: OrderAttributes

    @model_validator(mode="after")
    def _together(self) -> "OrderForm":
        gtins = [product.gtin for product in self.products]
        if len(set(gtins)) != len(gtins):
            raise ValueError("products: GTIN повторяется")
        if len(gtins) > 1 and any(p.quantity > MAX_SEVERAL for p in self.products):
            raise ValueError(f"products: больше {MAX_SEVERAL} кодов на GTIN")
        method = self.attributes.create_method_type
        if method not in {None, "SELF_MADE"} and self.service_provider_id is None:
            raise ValueError("attributes.createMethodType: нужен serviceProviderId")
        return self


class CloseForm(BaseModel):
    model_config = FORM
    order_id: Uuid
    gtin: Gtin | None = None


Sntins = Annotated[list[str], Field(min_length=1, max_length=MAX_REPORT)]


class ReportAttributes(BaseModel):
    model_config = FORM
    production_date: str | None = None
    expiration_date: str | None = None
    brandcode: str | None = None
    kpp: str | None = None
    source_report_id: str | None = None
    production_line_id: str | None = None
    production_order_id: OrderNumber | None = None
    address: str | None = None
    with_child: bool | None = None
    participant_id: str | None = None
    source_doc_num: str | None = None
    source_doc_date: str | None = None


class UtilisationForm(BaseModel):
    model_config = FORM
    product_group: Literal["lp"]
    sntins: Sntins
    utilisation_type: Literal["UTILISATION", "RESORT", "REMARK"] = "UTILISATION"
    attributes: ReportAttributes | None = None


class DropoutForm(BaseModel):
    model_config = FORM
    product_group: Literal["lp"]
    dropout_reason: Literal[
        "DEFECT",
        "EXPIRY",
        "QA_SAMPLES",
        "PRODUCT_RECALL",
        "COMPLAINTS",
        "PRODUCT_TESTING",
        "DEMO_SAMPLES",
        "OTHER",
        "DAMAGE_LOSS",
        "DESTRUCTION",
        "LIQUIDATION",
        "CONFISCATION",
    ]
    sntins: Sntins
    attributes: ReportAttributes | None = None


def read_form(form: type[Form], body: bytes) -> Form:
    """The body as `form`; every flaw becomes one entry of fieldErrors."""
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        problems = [
            (_field(p["loc"], p["msg"]), p["msg"])
            for p in error.errors(include_url=False, include_input=False)
        ]
        raise suz_field_refusal(problems) from error


def _field(loc: tuple[int | str, ...], text: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    named = re.match(r"Value error, ([A-Za-z.]+):", text)
    if named:
        path = f"{path}.{named.group(1)}"
    return path.lstrip(".") or "body"
