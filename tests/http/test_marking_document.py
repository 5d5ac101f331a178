"""The OpenAPI document of the marking API says what its routes do."""

from openapi_spec_validator import validate

from web.marking_openapi import document
from web.marking_routes import PREFIX, ROUTES

FOUND = document(ROUTES, PREFIX, public_url="http://127.0.0.1:8080")


def test_the_document_is_valid() -> None:
    validate(FOUND)


def test_every_route_is_described_once() -> None:
    names = [
        operation["operationId"] for path in FOUND["paths"].values() for operation in path.values()
    ]
    assert len(names) == len(set(names)) == len(ROUTES)


def test_every_effect_asks_for_a_key_and_no_stored_answer_holds_a_secret() -> None:
    keyed = {route.handler.__name__ for route in ROUTES if route.verb.keyed}
    posts = {route.handler.__name__ for route in ROUTES if route.verb.method == "POST"}
    assert posts - keyed == {"mark_check", "log_in", "add_user", "add_key"}


def test_every_row_in_a_path_is_guarded_by_a_role() -> None:
    rows = ("order_id", "batch_id", "issue_id", "document_id", "orphan_id", "participant_id")
    for route in ROUTES:
        if any(f"{{{row}}}" in route.path for row in rows):
            assert route.owner is not None, route.path
            assert route.may in {"read", "operate", "sign", "administer"}
