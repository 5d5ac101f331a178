"""A database with the schema in place, and the mart over it."""

from collections.abc import AsyncIterator

import pytest

from app.certificates.database import Database
from app.migrations import migrate


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    migrate(postgres)
    opened = Database(postgres)
    yield opened
    await opened.close()
