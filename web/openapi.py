"""The OpenAPI 3.1 document, made from the route table and the pydantic models."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app.contracts import tracing
from web.answers import ProblemDetails
from web.routing import Route

REF = "#/components/schemas/{model}"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BY_STATUS = {
    "400": "malformed request",
    "401": "unknown client or secret",
    "403": "the client lacks the scope",
    "404": "no such entity",
    "409": "refused by the present state",
    "422": "refused as asked",
    "429": "too many requests or guesses",
    "503": "not decided (OwnerUnavailable) or not known (OutcomeUnknown)",
}
_AUDIT_HEADERS = ("Store-Id", "Terminal-Id", "Actor")


def document(routes: Iterable[Route[Any]], public_url: str) -> dict[str, Any]:
    routes = tuple(routes)
    models: dict[type[BaseModel], JsonSchemaMode] = {ProblemDetails: "serialization"}
    for route in routes:
        models[route.answer] = "serialization"
        if route.body is not None:
            models[route.body] = "validation"
    _, schemas = models_json_schema(list(models.items()), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.verb.method.lower()] = _operation(route)
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "clientId.secret"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gift certificates", "version": "1"},
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"bearer": bearer},
        },
    }


def _operation(route: Route[Any]) -> dict[str, Any]:
    by_path = "_by_path" if "{code}" in route.path else ""
    operation: dict[str, Any] = {
        "operationId": route.operation + by_path,
        "tags": ["certificates"],
        "description": f"Scopes: {', '.join(sorted(route.scopes))}.",
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.body is not None:
        content: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in route.media}
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.body.model_fields.values()),
            "content": {"application/json": {"schema": _ref(route.body)}, **content},
        }
    return operation


def _parameters(route: Route[Any]) -> list[dict[str, Any]]:
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _PLACEHOLDER.findall(route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": text} for name in route.query]
    parameters += [{"name": name, "in": "header", "schema": text} for name in _AUDIT_HEADERS]
    parameters.append({"name": tracing.HEADER, "in": "header", "schema": text})
    if route.verb.keyed:
        key = {"type": "string", "minLength": 1, "maxLength": 512}
        parameters.append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": key}
        )
    return parameters


def _responses(route: Route[Any]) -> dict[str, Any]:
    success = {"application/json": {"schema": _ref(route.answer)}}
    problem = {"application/problem+json": {"schema": _ref(ProblemDetails)}}
    done = {"description": "done", "content": success}
    responses: dict[str, Any] = {
        str(status): done for status in (route.status, route.also) if status
    }
    for status, words in _BY_STATUS.items():
        responses[status] = {"description": words, "content": problem}
    return responses


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
