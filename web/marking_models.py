"""Bodies and queries of the marking API."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.domain.marking.dictionaries import (
    CertificateType,
    DropoutReason,
    ReleaseMethod,
    SerialNumberType,
    WithdrawalAction,
)
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.marking.issues import GsForm, IssueKind
from app.marking.label_formats import LabelFormat
from web.marking_fields import (
    OWN_WORDS,
    AnyCodes,
    Form,
    Gtin,
    Inn,
    Login,
    Name,
    Password,
    Role,
    SignerKind,
    SomeCodes,
    Text,
    Uuid,
)


class Body(Form):
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Body):
    """No members."""


class Certificate(Body):
    type: CertificateType
    number: Name
    date: Text


class Line(Body):
    gtin: Gtin
    quantity: int = Field(default=1, le=1_000_000_000)
    serial_number_type: SerialNumberType = SerialNumberType.OPERATOR
    serial_numbers: list[Text] = Field(default=[], max_length=2_000_000)


class GoodsFacts(Body):
    contact_person: Text | None = None
    production_date: Text | None = None
    producer_inn: Text | None = None
    owner_inn: Text | None = None
    certificates: list[Certificate] = Field(default=[], max_length=100)


class Introduction(Body):
    """`codes`: "all" or КИ."""

    codes: SomeCodes = "all"


class Dropout(Body):
    """`codes`: "all" or КИ."""

    reason: DropoutReason
    codes: AnyCodes = "all"
    source_document_number: Text | None = None
    source_document_date: Text | None = None


class Withdrawal(Body):
    action: WithdrawalAction
    action_date: Text
    codes: AnyCodes = "all"
    document_type: Text | None = None
    document_number: Text | None = None
    document_date: Text | None = None
    other: Text | None = None


class Postprocess(Body):
    utilisation: bool = False
    dropout: Dropout | None = None
    withdraw: Withdrawal | None = None


class NewOrder(Body):
    participant_id: Uuid | None = None
    external_id: Name | None = None
    lines: list[Line] = Field(max_length=1_000)
    release_method_type: ReleaseMethod = ReleaseMethod.PRODUCTION
    attributes: GoodsFacts = GoodsFacts()
    postprocess: Postprocess = Postprocess()
    profile: Profile | None = None
    split: bool = False


class Correction(Body):
    """What is left out stays as it is; `attributes` replace all facts about the goods."""

    lines: list[Line] | None = Field(default=None, max_length=1_000)
    release_method_type: ReleaseMethod | None = None
    attributes: GoodsFacts | None = None


class Close(Body):
    waive_remaining: Literal[True]
    expected_annulled: int = Field(ge=0)


class GiveUp(Body):
    expected_lost: int = Field(ge=0)


class ReportVerdict(Body):
    """`sent`: «Считать отправленным», else «Отправить заново»."""

    sent: bool


class Label(Body):
    format: LabelFormat = LabelFormat.W58_H40
    name: str | None = Field(default=None, max_length=500)
    article: str | None = Field(default=None, max_length=100)
    size: str | None = Field(default=None, max_length=100)
    colour: str | None = Field(default=None, max_length=100)


class NewIssue(Body):
    """Either `next` codes, or the numbers `from`–`to`; words of the label come from the card."""

    kind: IssueKind
    gtin: Gtin
    next: int | None = None
    first: int | None = Field(default=None, alias="from")
    last: int | None = Field(default=None, alias="to")
    reason: Text | None = None
    gs: GsForm = GsForm.RAW
    label: Label = Label()


class SignatureOf(Body):
    """CMS in base64 as the plug-in gives it."""

    signature: Annotated[str, StringConstraints(min_length=1, max_length=2 << 20)]


class MarkCheck(Body):
    participant_id: Uuid | None = None
    gtins: list[Gtin] = Field(default=[], max_length=1_000)
    tnveds: list[Gtin] = Field(default=[], max_length=1_000)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.gtins and not self.tnveds:
            raise PydanticCustomError(OWN_WORDS, "Назовите хотя бы один GTIN или ТН ВЭД")
        return self


class ReadUpTo(Body):
    upto: Uuid


class LogIn(Body):
    login: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewUser(Body):
    login: Login
    password: Password
    email: Text | None = None
    is_admin: bool = False


class UserState(Body):
    active: bool


class NewKey(Body):
    login: Login
    name: Name


class NewParticipant(Body):
    inn: Inn
    name: Text
    oms_id: Uuid
    oms_connection: Uuid
    signer_kind: SignerKind = "browser"
    signer_config: dict[str, Any] = Field(default={})
    contact_person: Text | None = None
    nk_apikey: Text | None = None


class SignerChoice(Body):
    signer_kind: SignerKind
    signer_config: dict[str, Any] = Field(default={})


class MemberRole(Body):
    """None takes the role away."""

    role: Role | None


class SignerUnderPoa(Body):
    name: Text
    number: Name
    until: AwareDatetime


class Query(Form):
    """Words of a query come as text, so numbers and dates are read from it."""

    model_config = ConfigDict(extra="forbid")


class Page(Query):
    limit: int = Field(default=50, ge=1, le=200)


class OrdersQuery(Page):
    participant: Uuid | None = None
    status: OrderStatus | None = None
    hold: Hold | None = None
    gtin: Gtin | None = None
    external_id: Name | None = None
    created_from: datetime | date | None = None
    created_to: datetime | date | None = None
    after: Uuid | None = None


class TimelineQuery(Page):
    after: int = Field(default=0, ge=0)


class CodesQuery(Page):
    gtin: Gtin | None = None
    status: Name | None = None
    after: int = Field(default=0, ge=0)


class DocumentsQuery(Page):
    participant: Uuid | None = None
    order: Uuid | None = None
    status: Name | None = None
    after: Uuid | None = None


class OfParticipant(Query):
    participant: Uuid | None = None


class ProductsQuery(Page):
    participant: Uuid | None = None
    query: Name | None = None
    after: int = Field(default=0, ge=0, le=9_800)


class EventsQuery(Page):
    after: int = Field(default=0, ge=0)


class KeysQuery(Page):
    after: Uuid | None = None


class NotificationsQuery(Page):
    unread: bool = False
    after: Uuid | None = None
