"""Bodies of the marking API with every member that they may have, each as it should be."""

from typing import Any

from pydantic import BaseModel

from web import marking_models as m

UUID = "00000000-0000-4000-8000-000000000001"
GTIN, DAY = "04600000000015", "2026-11-29"
DROPOUT = {
    "reason": "DEFECT",
    "codes": ["0104600000000015"],
    "source_document_number": "1",
    "source_document_date": DAY,
}
WITHDRAWAL = {
    "action": "RETAIL",
    "action_date": DAY,
    "codes": ["0104600000000015"],
    "document_type": "OTHER",
    "document_number": "1",
    "document_date": DAY,
    "other": "-",
}
POSTPROCESS = {"utilisation": False, "dropout": DROPOUT, "withdraw": WITHDRAWAL}
LINES = [
    {
        "gtin": GTIN,
        "quantity": 1,
        "serial_number_type": "SELF_MADE",
        "serial_numbers": ["000000000001"],
    }
]
FACTS = {
    "contact_person": "-",
    "production_date": DAY,
    "producer_inn": "7700000016",
    "owner_inn": "7700000016",
    "certificates": [{"type": "CONFORMITY_DECLARATION", "number": "1", "date": DAY}],
}
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    m.Nothing: {},
    m.NewOrder: {
        "participant_id": UUID,
        "external_id": "1",
        "lines": LINES,
        "release_method_type": "PRODUCTION",
        "attributes": FACTS,
        "postprocess": POSTPROCESS,
        "profile": "order_first",
        "split": True,
    },
    m.Correction: {"lines": LINES, "release_method_type": "PRODUCTION", "attributes": FACTS},
    m.Close: {"waive_remaining": True, "expected_annulled": 1},
    m.GiveUp: {"expected_lost": 1},
    m.Introduction: {"codes": ["0104600000000015"]},
    m.Withdrawal: WITHDRAWAL,
    m.Dropout: DROPOUT,
    m.Postprocess: POSTPROCESS,
    m.ReportVerdict: {"sent": True},
    m.NewIssue: {
        "kind": "csv",
        "gtin": GTIN,
        "next": 1,
        "from": 1,
        "to": 2,
        "reason": "-",
        "gs": "raw",
        "label": {"format": "58x40", "name": "-", "article": "-", "size": "-", "colour": "-"},
    },
    m.MarkCheck: {"participant_id": UUID, "gtins": [GTIN], "tnveds": ["6109"]},
    m.ReadUpTo: {"upto": UUID},
    m.SignatureOf: {"signature": "MA=="},
    m.NewParticipant: {
        "inn": "7700000016",
        "name": "-",
        "oms_id": UUID,
        "oms_connection": UUID,
        "signer_kind": "command",
        "signer_config": {"url": ["-"]},
        "contact_person": "-",
        "nk_apikey": "-",
    },
    m.UserState: {"active": True},
    m.SignerChoice: {"signer_kind": "command", "signer_config": {"url": ["-"]}},
    m.MemberRole: {"role": "viewer"},
    m.SignerUnderPoa: {"name": "-", "number": "1", "until": "2035-01-01T00:00:00Z"},
    m.LogIn: {"login": "clerk", "password": "-"},
    m.NewUser: {"login": "clerk", "password": "0123456789", "email": "-", "is_admin": True},
    m.NewKey: {"login": "clerk", "name": "-"},
}
