"""Texts inside good answers are cut like those of refusals: none brings a secret in."""

from typing import Any

import msgspec
import pytest

from app.integrations.redaction import Cut
from app.integrations.suz_answers import Buffer, Receipt, RemoteOrder, ReportInfo
from app.integrations.true_api_answers import DocumentEntry

ID = "b2b2b2b2-0000-4000-8000-00000000e001"
KI = '010460000000001521Ab1+c"d&e(f)g'
TEXT = f"код {KI}\x1d91EE12\x1d92{'Q' * 44} уже выбыл"
SHOWN = f"код {KI}… уже выбыл"
RECEIPT = {"resultDocId": ID, "state": "FAILED", "workflow": "REPORT_DROPOUT"}


@pytest.mark.parametrize(
    ("kind", "field", "others"),
    [
        (Buffer, "rejectionReason", {"gtin": "04600000000015"}),
        (RemoteOrder, "declineReason", {"orderId": ID}),
        (ReportInfo, "errorReason", {"reportId": ID, "reportStatus": "FAILED"}),
        (Receipt, "description", RECEIPT),
    ],
)
def test_a_text_of_the_station_is_cut(kind: type[Cut], field: str, others: dict[str, Any]) -> None:
    raw = msgspec.json.encode({**others, field: TEXT})
    read = msgspec.json.decode(raw, type=kind)
    assert [getattr(read, name) for name in kind.foreign] == [SHOWN]


@pytest.mark.parametrize("told", [{"errors": [TEXT]}, {"downloadDesc": TEXT}])
def test_a_text_about_a_document_is_cut(told: dict[str, Any]) -> None:
    raw = msgspec.json.encode({"number": ID, "status": "CHECKED_NOT_OK", **told})
    assert msgspec.json.decode(raw, type=DocumentEntry).texts == (SHOWN,)
