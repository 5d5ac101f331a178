"""What runs beside the API: health, metrics, the OpenAPI document."""

import asyncio
import logging
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.http.worker import CODE, FakeLedger, Server, Start
from web import BATCH_ROUTES, ROUTES
from web.openapi import document


async def fine() -> str | None:
    return None


async def opening() -> str | None:
    return "partition 2 is opening"


async def broken() -> str | None:
    raise ConnectionError("secret address")


async def hanging() -> str | None:
    await asyncio.Event().wait()
    return None


async def test_ready_when_every_dependency_is(start: Start) -> None:
    server = await start(FakeLedger(), probes={"ledger": fine, "broker": fine})
    answer = await server.inside("/health/ready")
    assert (answer.status, answer.json["checks"]) == (200, {"ledger": "ok", "broker": "ok"})


async def test_not_ready_names_the_dependency_and_its_reason(start: Start) -> None:
    probes = {"ledger": opening, "broker": broken, "database": hanging, "clock": fine}
    server = await start(FakeLedger(), probes=probes)
    answer = await server.inside("/health/ready")
    assert answer.status == 503
    assert answer.json["checks"] == {
        "ledger": "partition 2 is opening",
        "broker": "ConnectionError",
        "database": "no answer within 2 s",
        "clock": "ok",
    }
    assert (await server.inside("/health/live")).status == 200


async def test_health_and_metrics_are_internal_only(server: Server) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await server.get(path)).status == 404


async def test_metrics_count_by_operation_and_true_code(server: Server) -> None:
    await server.post("/certificates/lookup", {"code": CODE})
    await server.post("/certificates/lookup", {"code": "GC00"}, client="shop")
    text = (await server.inside("/metrics")).content.decode()
    lookups = 'giftmark_http_requests_total{operation="lookup",status='
    assert f'{lookups}"200"}} 1.0' in text
    assert f'{lookups}"404"}} 1.0' in text
    assert 'giftmark_http_refusals_total{code="CodeMalformed",operation="lookup"} 1.0' in text
    assert "giftmark_code_misses_total 1.0" in text
    assert CODE not in text


async def test_the_api_describes_itself(server: Server) -> None:
    answer = await server.get("/openapi.json")
    described = answer.json
    validate(described, cls=OpenAPIV31SpecValidator)
    operations = {
        (method.upper(), path) for path, item in described["paths"].items() for method in item
    }
    certificates = {(route.verb.method, route.path) for route in ROUTES}
    batches = {(route.verb.method, route.path) for route in BATCH_ROUTES}
    assert operations == certificates | batches
    capture = described["paths"]["/certificates/authorizations/{authorizationId}/capture"]["post"]
    parameters = {one["name"]: one.get("required", False) for one in capture["parameters"]}
    assert parameters["authorizationId"]
    assert parameters["Idempotency-Key"]


def test_a_validator_would_notice() -> None:
    broken_document = document(ROUTES, "https://gift.example")
    broken_document["paths"]["/certificates/lookup"]["post"]["responses"] = 7
    assert not OpenAPIV31SpecValidator(broken_document).is_valid()


@pytest.mark.parametrize(
    "request_line", [f"POST /certificates/{CODE}/refund HTTP/9.9", f"POST /{CODE}\x00 HTTP/1.1"]
)
async def test_an_unparsable_request_is_logged_without_what_it_said(
    server: Server, caplog: pytest.LogCaptureFixture, request_line: str
) -> None:
    caplog.set_level(logging.DEBUG)
    address = urlsplit(server.public)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"{request_line}\r\nAuthorization: Bearer till.secret\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 400")
    assert any(record.name == "web.protocol" for record in caplog.records)
    assert CODE not in caplog.text
    assert "secret" not in caplog.text


async def test_no_request_leaves_its_code_in_a_log_line(
    server: Server, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await server.post(f"/certificates/{CODE}/refund", {"channel": "POS", "method": "Cash"})
    await server.post(f"/certificates/{CODE}/refund", {"channel": "WEB", "method": "?"})
    await server.post(f"/certificates/{CODE}X/refund", {}, client="shop")
    await server.get(f"/certificates/{CODE}", client="desk")
    await server.get(f"/{CODE}")
    logged = capsys.readouterr()
    assert CODE not in caplog.text + logged.out + logged.err
