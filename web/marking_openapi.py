"""The OpenAPI 3.1 document of the marking API, made from its route table and models."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from web.marking_answers import File, ProblemDetails, Stream
from web.marking_routing import Route

REF = "#/components/schemas/{model}"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BY_STATUS = {
    "400": "the request is not understood; `errors` name the fields",
    "401": "no session and no known API key",
    "403": "no role for this organisation",
    "404": "no such record",
    "409": "not in this state, or the key is still running",
    "422": "refused as asked; `errors` name the fields",
    "503": "Chestny ZNAK or the database is away: see Retry-After",
}
_FILES = ("text/csv", "text/plain", "application/pdf")


def document(routes: Iterable[Route], prefix: str, *, public_url: str) -> dict[str, Any]:
    routes = tuple(routes)
    models: dict[type[BaseModel], JsonSchemaMode] = {ProblemDetails: "serialization"}
    for route in routes:
        models[route.answer] = "serialization"
        if route.body is not None:
            models[route.body] = "validation"
    _, schemas = models_json_schema(list(models.items()), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(prefix + route.path, {})[route.verb.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marking codes", "version": "1"},
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "giftmark_session"},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    words = (route.handler.__doc__ or "").strip().split("\n\n")[0]
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": ["marking"],
        "description": " ".join(part for part in (words, f"May: {route.may}.") if part),
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.may == "open":
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.body.model_fields.values()),
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _PLACEHOLDER.findall(route.path)
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        found += [
            {"name": name, "in": "query", "schema": _inlined(of, schema.get("$defs", {}))}
            for name, of in schema["properties"].items()
        ]
    if route.verb.keyed:
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
    return found


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Enumerations of queries stand where they are used."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {name: _inlined(one, definitions) for name, one in schema.items()}


def _responses(route: Route) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _ref(ProblemDetails)}}
    done: dict[str, Any] = {"application/json": {"schema": _ref(route.answer)}}
    if route.answer is File:
        bytes_ = {"schema": {"type": "string", "format": "binary"}}
        done = dict.fromkeys(_FILES, bytes_)
    if route.answer is Stream:
        done = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        str(route.status): {"description": "done", "content": done},
        **{
            status: {"description": words, "content": problem}
            for status, words in _BY_STATUS.items()
        },
    }


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
