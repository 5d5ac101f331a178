"""JSON Schema of every message on a public topic, made from its struct."""

from typing import Any

import msgspec

from app.contracts.messages import PUBLISHED_DATA, SOURCE, Envelope
from app.contracts.received import RECEIVED_DATA

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def json_schemas() -> dict[str, Schema]:
    """Topic → schema of its values; parts are `$defs`."""
    schemas = {}
    for topic in (*PUBLISHED_DATA, *RECEIVED_DATA):
        root, parts = message_schemas(topic, "#/$defs/{name}")
        schemas[topic] = {"$schema": DIALECT, **root, "$defs": parts}
    return schemas


def message_schemas(topic: str, ref_template: str) -> tuple[Schema, dict[str, Schema]]:
    """(schema of the topic's values, name → schema of a part), references by the template."""
    received = RECEIVED_DATA.get(topic)
    if received is not None:
        _, parts = msgspec.json.schema_components([received], ref_template=ref_template)
        root = parts.pop(received.__name__)
        return {**root, "title": topic}, parts
    data = PUBLISHED_DATA[topic]
    enveloped = [Envelope[data]]  # type: ignore[valid-type]
    _, parts = msgspec.json.schema_components(enveloped, ref_template=ref_template)
    return _named(topic, parts.pop(f"Envelope_{topic}_")), parts


def _named(topic: str, root: Schema) -> Schema:
    properties = root["properties"]
    fixed = {
        "type": {"const": topic},
        "source": {"const": SOURCE},
        "occurredAt": {"type": "string", "format": "date-time"},
    }
    return {**root, "title": topic, "properties": {**properties, **fixed}}
