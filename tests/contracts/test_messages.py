"""Published messages: the golden samples, their schemas, and that these only ever grow."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from app.certificates.batch_rows import COLUMNS
from app.certificates.intake_batch import BatchMessage
from app.certificates.intake_payments import Entry, PaymentMessage, RefundDetails
from app.certificates.intake_sales import LineMessage, SaleMessage
from app.contracts import received
from app.contracts.asyncapi import SAMPLES, asyncapi
from app.contracts.messages import PUBLISHED_DATA, Envelope
from app.contracts.received import RECEIVED_DATA
from app.contracts.schemas import json_schemas

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
TOPICS = sorted(PUBLISHED_DATA)
ALL_TOPICS = sorted((*PUBLISHED_DATA, *RECEIVED_DATA))
Schema = dict[str, Any]


def sample(topic: str) -> bytes:
    return (SAMPLES / f"{topic}.json").read_bytes().strip()


def accepted(topic: str) -> Schema:
    schema: Schema = json.loads((HERE / "accepted" / f"{topic}.schema.json").read_text())
    return schema


@pytest.mark.parametrize("topic", TOPICS)
def test_the_golden_sample_is_read_and_written_byte_for_byte(topic: str) -> None:
    data = PUBLISHED_DATA[topic]
    message = msgspec.json.decode(sample(topic), type=Envelope[data])  # type: ignore[valid-type]
    assert msgspec.json.encode(message) == sample(topic)


@pytest.mark.parametrize("topic", ALL_TOPICS)
def test_the_golden_sample_fits_its_schema(topic: str) -> None:
    jsonschema.validate(json.loads(sample(topic)), json_schemas()[topic])


@pytest.mark.parametrize("topic", ALL_TOPICS)
def test_a_message_of_another_topic_does_not_fit(topic: str) -> None:
    other = ALL_TOPICS[ALL_TOPICS.index(topic) - 1]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(sample(other)), json_schemas()[topic])


@pytest.mark.parametrize("topic", ALL_TOPICS)
def test_the_contract_only_grew_since_it_was_accepted(topic: str) -> None:
    assert breaks(accepted(topic), json_schemas()[topic]) == []


@pytest.mark.parametrize("name", ["All_SalesOrder", "All_Payments", "All_Payments_2"])
def test_a_sample_from_outside_is_read_by_intake_and_by_the_contract(name: str) -> None:
    topic = name.removesuffix("_2")
    reader = {"All_SalesOrder": SaleMessage, "All_Payments": PaymentMessage}[topic]
    msgspec.json.decode(sample(name), type=RECEIVED_DATA[topic])
    msgspec.json.decode(sample(name), type=reader)


@pytest.mark.parametrize(
    ("shown", "read", "ignored"),
    [
        (received.SalesOrder, SaleMessage, set()),
        (received.CertificateLine, LineMessage, set()),
        (received.Payment, PaymentMessage, set()),
        (received.CertificateAllocation, Entry, set()),
        (received.RefundDetails, RefundDetails, {"method"}),
        (received.Batch, BatchMessage, {"rows_total"}),
    ],
)
def test_intake_knows_every_field_of_the_contract(
    shown: type[msgspec.Struct], read: type[msgspec.Struct], ignored: set[str]
) -> None:
    assert set(shown.__struct_fields__) - ignored == set(read.__struct_fields__)


def test_a_row_of_the_contract_has_the_columns_of_a_file() -> None:
    assert set(received.BatchRow.__struct_encode_fields__) == COLUMNS


def _remove(schema: Schema) -> None:
    del schema["$defs"]["Delta"]["properties"]["held"]


def _retype(schema: Schema) -> None:
    schema["$defs"]["Delta"]["properties"]["held"]["type"] = "string"


def _demand(schema: Schema) -> None:
    schema["$defs"]["CertificateLine"]["required"].append("price")


def test_a_sender_is_asked_for_nothing_new() -> None:
    for topic in RECEIVED_DATA:
        assert demands(accepted(topic), json_schemas()[topic]) == []
    old = json_schemas()["All_SalesOrder"]
    new = copy.deepcopy(old)
    _demand(new)
    assert demands(old, new) == ["CertificateLine.price"]


def _make_optional(schema: Schema) -> None:
    schema["$defs"]["Delta"]["required"].remove("held")


def _grow(schema: Schema) -> None:
    schema["$defs"]["Delta"]["properties"]["captured"] = {"type": "integer"}


@pytest.mark.parametrize(
    ("change", "broken"), [(_remove, 1), (_retype, 1), (_make_optional, 1), (_grow, 0)]
)
def test_a_breaking_change_would_be_noticed(change: Callable[[Schema], None], broken: int) -> None:
    old = json_schemas()["GiftCertificateTransaction"]
    new = copy.deepcopy(old)
    change(new)
    assert len(breaks(old, new)) == broken


def test_every_topic_of_the_asyncapi_document_has_message_and_operation() -> None:
    document = asyncapi()
    assert sorted(document["channels"]) == ALL_TOPICS
    assert {entry["channel"]["$ref"] for entry in document["operations"].values()} == {
        f"#/channels/{topic}" for topic in ALL_TOPICS
    }


def contracts_command(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "contracts", str(folder)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_the_command_writes_a_folder_that_stands_alone(tmp_path: Path) -> None:
    """What another system gets: every reference resolves, every sample fits its schema."""
    folder = tmp_path / "new" / "contracts"
    done = contracts_command(folder)
    assert done.returncode == 0, done.stderr
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    assert written == {str(Path(line).relative_to(folder)) for line in done.stdout.split()}

    document = json.loads((folder / "asyncapi.json").read_bytes())
    assert (document["asyncapi"], sorted(document["channels"])) == ("3.0.0", ALL_TOPICS)
    for ref in references(document):
        target: Any = document
        for step in ref.removeprefix("#/").split("/"):
            target = target[step]
    for topic in ALL_TOPICS:
        schema = json.loads((folder / f"{topic}.schema.json").read_bytes())
        jsonschema.Draft202012Validator.check_schema(schema)
        samples = sorted((folder / "samples").glob(f"{topic}*.json"))
        assert samples
        for path in samples:
            jsonschema.validate(json.loads(path.read_bytes()), schema)


def test_the_command_does_not_write_over_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("kept")
    assert contracts_command(taken).returncode == 2
    assert taken.read_text() == "kept"


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [ref for item in node for ref in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [ref for item in node.values() for ref in references(item)]


def demands(old: Schema, new: Schema) -> list[str]:
    """Fields that a sender by `old` may leave out and `new` requires."""
    parts = {"message": (old, new)} | {
        name: (part, new["$defs"].get(name, {})) for name, part in old["$defs"].items()
    }
    return [
        f"{name}.{field}"
        for name, (was, now) in parts.items()
        for field in now.get("required", ())
        if field not in was.get("required", ())
    ]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What a reader of `old` would miss in `new`; new parts, fields and enum values are fine."""
    parts = {name: (part, new["$defs"].get(name, {})) for name, part in old["$defs"].items()}
    found = [fault for name, pair in parts.items() for fault in _object_breaks(name, *pair)]
    return _object_breaks("envelope", old, new) + found


def _object_breaks(name: str, old: Schema, new: Schema) -> list[str]:
    lost = [
        f"{name}.{field} is no longer certain"
        for field in old.get("required", ())
        if field not in new.get("required", ()) and field in new.get("properties", {})
    ]
    fields = old.get("properties", {}).items()
    known = new.get("properties", {})
    return lost + [
        f"{name}.{field} changed" for field, was in fields if _differs(was, known.get(field))
    ]


def _differs(was: Schema, now: Schema | None) -> bool:
    if now is None:
        return True
    if "enum" in was:
        return not set(was["enum"]) <= set(now.get("enum", ()))
    return was != now
