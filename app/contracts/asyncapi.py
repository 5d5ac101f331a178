"""The AsyncAPI 3 document of the public topics, and the files of all contracts."""

import json
from pathlib import Path
from typing import Any

from app.contracts.messages import PUBLISHED_DATA
from app.contracts.received import RECEIVED_DATA
from app.contracts.schemas import json_schemas, message_schemas
from app.contracts.topics import BATCHES, BI, ORDER_STATE, PAYMENTS, SALES, manifest

TOPICS = (*PUBLISHED_DATA, *RECEIVED_DATA)
SAMPLES = Path(__file__).parent / "samples"
KEYS = {
    BI: "certificateId; batchId for rows without one; orderId for order lines",
    ORDER_STATE: "orderId",
    SALES: "orderId",
    PAYMENTS: "orderId",
    BATCHES: "batchId",
}
VERSION = "1.0.0"
TRACE = {"traceparent": {"type": "string", "description": "W3C Trace Context"}}
ABOUT = (
    "Delivery is at least once and ordered per key; readers drop the `id` they have seen. "
    "Money is in minor units of `currency`. New fields may appear, known ones keep their meaning."
)


def asyncapi() -> dict[str, Any]:
    messages: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for topic in TOPICS:
        payload, found = message_schemas(topic, "#/components/schemas/" + topic + "{name}")
        messages[topic] = _message(topic, payload)
        parts |= {topic + name: schema for name, schema in found.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Gift certificates", "version": VERSION, "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": dict(_operation(topic) for topic in TOPICS),
        "components": {"messages": messages, "schemas": parts},
    }


def write_contracts(folder: Path) -> list[Path]:
    """Writes the AsyncAPI document, one schema per topic and the golden samples; their paths."""
    documents = {f"{topic}.schema.json": schema for topic, schema in json_schemas().items()}
    documents["asyncapi.json"] = asyncapi()
    contents = {
        name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }
    for sample in sorted(SAMPLES.glob("*.json")):
        contents[f"samples/{sample.name}"] = sample.read_text()
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text)
    return [folder / name for name in contents]


def _channel(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {topic: {"$ref": f"#/components/messages/{topic}"}},
        "bindings": {
            "kafka": {"topicConfiguration": _configuration(topic), "bindingVersion": "0.5.0"}
        },
    }


def _configuration(topic: str) -> dict[str, Any]:
    config = next(known.config for known in manifest(1, 1) if known.name == topic)
    kept = {"cleanup.policy": [config["cleanup.policy"]]}
    if "retention.ms" not in config:
        return kept
    return {**kept, "retention.ms": int(config["retention.ms"])}


def _operation(topic: str) -> tuple[str, dict[str, Any]]:
    """Seen from us: we send what we publish."""
    name, action = ("publish", "send") if topic in PUBLISHED_DATA else ("take", "receive")
    operation = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{topic}"}],
    }
    return f"{name}{topic}", operation


def _message(topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": topic,
        "summary": (PUBLISHED_DATA | RECEIVED_DATA)[topic].__doc__,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": TRACE},
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _key(topic)},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _key(topic: str) -> str:
    return KEYS.get(topic, "certificateId")
