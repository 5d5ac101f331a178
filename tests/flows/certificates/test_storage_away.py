"""PostgreSQL away: tills pay on, uploads are told so, and the mart catches up by itself."""

from app.certificates.database import Database
from app.certificates.reconcile import reconcile
from app.embedded_postgres import PostgresServer
from app.kafka_access import KafkaAccess
from tests.flows.certificates.town import Town, row_of

UPLOAD = "/certificates/upload/batch"


async def test_without_its_database_only_the_batch_routes_fail(
    town: Town, town_database: str, postgres_server: PostgresServer
) -> None:
    card = town.card(batch_id=f"{town.run}-away")
    chunk = {"batchId": card.batch_id, "chunk": 1, "rows": [row_of(card)]}
    postgres_server.kill()
    try:
        for path in (f"/certificates/batches/{card.batch_id}", "/certificates/batches/none/rows"):
            read = await town.get(path, client="loader", patient=False)
            assert (read.status_code, read.json()["code"]) == (503, "StorageUnavailable")
            assert read.headers["Retry-After"]
        sent = await town.post(UPLOAD, chunk, client="loader", key="k", patient=False)
        assert (sent.status_code, sent.json()["code"]) == (503, "StorageUnavailable")

        paying = await town.active()
        body = {"code": paying.code, "amount": 1, "currency": "RUB"}
        assert (await town.post("/certificates/authorizations", body)).status_code == 201
    finally:
        postgres_server.start()

    again = await town.post(UPLOAD, chunk, client="loader", key="k", Prefer="wait=20")
    assert (again.status_code, again.json()["issued"]) == (200, 1)
    database = Database(town_database)
    result = await reconcile(KafkaAccess(town.bootstrap), database, patience_s=20)
    await database.close()
    assert (result.differences, result.behind) == ([], 0)
