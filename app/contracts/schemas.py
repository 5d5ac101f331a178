"""JSON Schema of every published message, made from its struct."""

from typing import Any

import msgspec

from app.contracts.messages import PUBLISHED_DATA, SOURCE, Envelope

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def json_schemas() -> dict[str, Schema]:
    """Topic → schema of its values; the envelope is the root, its parts are `$defs`."""
    return {topic: _of_message(topic, data) for topic, data in PUBLISHED_DATA.items()}


def envelope_schemas(ref_template: str) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """(topic → root schema, name → schema of a part), references by the template."""
    roots: dict[str, Schema] = {}
    parts: dict[str, Schema] = {}
    for topic, data in PUBLISHED_DATA.items():
        _, found = msgspec.json.schema_components([Envelope[data]], ref_template=ref_template)  # type: ignore[valid-type]
        roots[topic] = _named(topic, found.pop(f"Envelope_{topic}_"))
        parts |= found
    return roots, parts


def _of_message(topic: str, data: type[msgspec.Struct]) -> Schema:
    whole = msgspec.json.schema(Envelope[data])  # type: ignore[valid-type]
    parts = whole["$defs"]
    root = _named(topic, parts.pop(f"Envelope_{topic}_"))
    return {"$schema": DIALECT, **root, "$defs": parts}


def _named(topic: str, root: Schema) -> Schema:
    properties = root["properties"]
    fixed = {
        "type": {"const": topic},
        "source": {"const": SOURCE},
        "occurredAt": {"type": "string", "format": "date-time"},
    }
    return {**root, "title": topic, "properties": {**properties, **fixed}}
