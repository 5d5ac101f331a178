"""Authorize on FastAPI, asyncpg and PostgreSQL row locks; served by uvicorn."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

POOL = 16


class Authorization(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=256)]
    amount: Annotated[int, Field(gt=0)]
    currency: str
    reference: str


class Authorized(BaseModel):
    approved: bool
    available: int


@asynccontextmanager
async def connected(application: FastAPI) -> AsyncIterator[None]:
    dsn = os.environ["BENCH_DSN"]
    async with asyncpg.create_pool(dsn, min_size=POOL, max_size=POOL) as pool:
        application.state.pool = pool
        yield


app = FastAPI(lifespan=connected)


async def authorize(
    body: Authorization, idempotency_key: Annotated[str, Header()], response: Response
) -> Authorized:
    async with app.state.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT balance - held FROM certificates WHERE code = $1 FOR UPDATE", body.code
        )
        if row is None:
            raise HTTPException(404)
        known = await connection.fetchrow(
            "SELECT approved, available FROM answers WHERE key = $1", idempotency_key
        )
        if known is not None:
            response.headers["Idempotency-Replayed"] = "true"
            return Authorized(approved=known[0], available=known[1])
        approved = row[0] >= body.amount
        available = row[0] - body.amount if approved else row[0]
        if approved:
            await connection.execute(
                "UPDATE certificates SET held = held + $2 WHERE code = $1", body.code, body.amount
            )
        await connection.execute(
            "INSERT INTO answers VALUES ($1, $2, $3, $4, $5)",
            idempotency_key,
            body.code,
            body.amount,
            approved,
            available,
        )
    return Authorized(approved=approved, available=available)


app.post("/certificates/authorizations", status_code=201)(authorize)
