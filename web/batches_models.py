"""Bodies and answers of the batch routes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from web.answers import Answer
from web.certificates_models import Body, Currency, Text64, Text128

ROWS_MAX = 5_000
BATCH_ROWS_MAX = 1_000_000
Count = Annotated[int, Field(ge=0)]
Place = Annotated[int, Field(ge=0, le=BATCH_ROWS_MAX)]


class GenerateRows(Body):
    """Equal certificates with codes of ours, which are shown once, in the answer."""

    count: Annotated[int, Field(ge=1)]
    nominal: int | str
    currency: Currency
    validity_days: int | None = None
    valid_until: str | None = None
    product_id: Text64 | None = None


class BatchUpload(Body):
    """One chunk; its rows are judged one by one, so any value may stand in them."""

    batch_id: Text64
    chunk: Place
    first_row: Place = 1
    rows_total: Count | None = None
    dry_run: bool = False
    rows: list[Any] | None = None
    generate: GenerateRows | None = None

    @model_validator(mode="after")
    def _says_which_rows(self) -> Self:
        if (self.rows is None) == (self.generate is None):
            raise ValueError("exactly one of rows and generate is required")
        return self

    @property
    def is_too_large(self) -> bool:
        rows = len(self.rows or ()) if self.generate is None else self.generate.count
        return rows > ROWS_MAX or (self.rows_total or 0) > BATCH_ROWS_MAX


class CancelChunk(Body):
    attempt: Annotated[int, Field(ge=1)]
    reason: Text128


class RejectedRow(Answer):
    row: int
    code: str
    reason: str | None = None
    certificate_id: str | None = None
    last4: str | None = None


class ShownCode(Answer):
    row: int
    certificate_id: str
    code: str


class Outcomes(Answer):
    queued: int
    issued: int
    duplicate: int
    rejected: int
    cancelled: int


class ChunkTaken(Outcomes):
    batch_id: str
    chunk: int
    attempt: int
    rows: int
    rejected_rows: list[RejectedRow]
    codes: list[ShownCode] | None = None
    status_url: str


class ChunkState(Answer):
    chunk: int
    attempt: int
    state: Literal["OPEN", "QUEUED", "CANCELLED"]
    rows: int
    rejected: int


class BatchProgress(Outcomes):
    batch_id: str
    source: Literal["HTTP", "TOPIC"]
    rows: int
    percent: int
    chunks: list[ChunkState]


class BatchRow(Answer):
    row: int
    outcome: str
    certificate_id: str | None = None
    last4: str | None = None
    code: str | None = None


class BatchRows(Answer):
    batch_id: str
    rows: list[BatchRow]
    next: int | None = None


class ChunkCancelled(Answer):
    batch_id: str
    chunk: int
    attempt: int
    cancelled: int
    kept: int
