"""Answers of SUZ: its words are kept as they come, counters of −1 are None."""

from typing import ClassVar

from msgspec import Struct, field

from app.integrations.answers import Identifier, Tolerant, Uuid, counter, milliseconds
from app.integrations.redaction import Cut, Veiled


class SuzOrderWord(Tolerant):
    CREATED = "CREATED"
    PENDING = "PENDING"
    DECLINED = "DECLINED"
    APPROVED = "APPROVED"
    READY = "READY"
    CLOSED = "CLOSED"


class BufferWord(Tolerant):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXHAUSTED = "EXHAUSTED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"


class ReportWord(Tolerant):
    DRAFT = "DRAFT"
    PENDING = "PENDING"
    READY_TO_SEND = "READY_TO_SEND"
    REJECTED = "REJECTED"
    SENT = "SENT"
    CHECK = "CHECK"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    PARTIALLY = "PARTIALLY"


class ReceiptWord(Tolerant):
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIALLY = "PARTIALLY"


class WorkflowWord(Tolerant):
    CREATE_ORDER = "CREATE_ORDER"
    REPORT_UTILIZE = "REPORT_UTILIZE"
    REPORT_AGGREGATION = "REPORT_AGGREGATION"
    REPORT_DROPOUT = "REPORT_DROPOUT"
    ANNULMENT_CODES = "ANNULMENT_CODES"
    GET_CODES = "GET_CODES"
    REPORT_QUALITY = "REPORT_QUALITY"
    CLOSE_ORDER = "CLOSE_ORDER"
    REPORT_SURPLUS = "REPORT_SURPLUS"


class OrderAccepted(Struct, frozen=True, rename="camel"):
    """Accepted for checking only; the duration says when the first status may be asked."""

    order_id: Uuid
    oms_id: str | None = None
    expected_complete_timestamp: int = 0

    @property
    def ready_after_ms(self) -> int:
        """A duration, whatever the remote name says: 2 s to 2 min from now."""
        return min(max(self.expected_complete_timestamp, 2_000), 120_000)


class Buffer(Cut, frozen=True, rename="camel"):
    """The codes of one GTIN of one order; a list answers with fewer fields than a status."""

    foreign: ClassVar[tuple[str, ...]] = ("rejection_reason",)
    gtin: str
    buffer_status: BufferWord | None = None
    total_codes: int | None = None
    available_codes: int | None = None
    left_in_buffer: int | None = None
    total_passed: int | None = None
    unavailable_codes: int | None = None
    pools_exhausted: bool | None = None
    template_id: int | None = None
    cis_type: str | None = None
    rejection_reason: str | None = None
    expired_date: int | None = None
    production_order_id: str | None = None

    @property
    def total(self) -> int | None:
        return counter(self.total_codes)

    @property
    def available(self) -> int | None:
        return counter(self.available_codes)

    @property
    def left(self) -> int | None:
        return counter(self.left_in_buffer)

    @property
    def passed(self) -> int | None:
        return counter(self.total_passed)

    @property
    def unavailable(self) -> int | None:
        return counter(self.unavailable_codes)

    @property
    def expires_at_ms(self) -> int | None:
        return milliseconds(counter(self.expired_date))


class RemoteOrder(Cut, frozen=True, rename="camel"):
    foreign: ClassVar[tuple[str, ...]] = ("decline_reason",)
    order_id: Uuid
    order_status: SuzOrderWord | None = None
    created_timestamp: int | None = None
    product_group: str | None = None
    production_order_id: str | None = None
    decline_reason: str | None = None
    payment_type: int | None = None
    buffers: list[Buffer] = field(default_factory=list)

    @property
    def created_at_ms(self) -> int | None:
        return milliseconds(counter(self.created_timestamp))


class OrderList(Struct, frozen=True, rename="camel"):
    order_infos: list[RemoteOrder]
    oms_id: str | None = None


class OrderPage(Struct, frozen=True, rename="camel"):
    results: list[RemoteOrder]
    total_count: int


class CodesBlock(Veiled, Struct, frozen=True, rename="camel"):
    """One block as handed out; the codes are full, with their separators."""

    codes: list[str]
    block_id: Identifier
    oms_id: str | None = None


class BlockInfo(Struct, frozen=True, rename="camel"):
    block_id: Identifier
    quantity: int


class BlockList(Struct, frozen=True, rename="camel"):
    blocks: list[BlockInfo]
    order_id: str | None = None
    gtin: str | None = None


class CloseAccepted(Struct, frozen=True, rename="camel"):
    oms_id: str


class ReportAccepted(Struct, frozen=True, rename="camel"):
    report_id: Uuid
    oms_id: str | None = None


class ReportInfo(Cut, frozen=True, rename="camel"):
    foreign: ClassVar[tuple[str, ...]] = ("error_reason",)
    report_id: str
    report_status: ReportWord
    error_reason: str | None = None


class ReceiptDetails(Struct, frozen=True, rename="camel"):
    participant_inn: str | None = None
    order_id: str | None = None
    production_order_id: str | None = None


class ReceiptOperation(Struct, frozen=True, rename="camel"):
    operation_type: str | None = None
    operation_date: int | None = None
    details: dict[str, object] = {}


class Receipt(Cut, frozen=True, rename="camel"):
    foreign: ClassVar[tuple[str, ...]] = ("description",)
    result_doc_id: str
    state: ReceiptWord
    workflow: WorkflowWord
    code: int | None = None
    result_doc_date: int | None = None
    source_doc_id: str | None = None
    description: str | None = None
    details: ReceiptDetails = ReceiptDetails()
    operations: list[ReceiptOperation] = field(default_factory=list)


class ReceiptPage(Struct, frozen=True, rename="camel"):
    results: list[Receipt] = []
    total_count: int | None = None


class Pong(Struct, frozen=True, rename="camel"):
    oms_id: str
    api_version: str | None = None
    oms_version: str | None = None


class Provider(Struct, frozen=True, rename="camel"):
    service_provider_id: str
    provider_name: str | None = None
    country: str | None = None
    role: str | None = None
    product_groups: list[str] = field(default_factory=list)


class ProviderList(Struct, frozen=True, rename="camel"):
    providers: list[Provider] = []
