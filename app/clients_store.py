"""The callers of an embedded installation: made once, like its keys, for demo and tests."""

import hashlib
import json
import secrets
from pathlib import Path

from app.secrets_store import write_private

CLIENTS_FILE = "clients.json"
SECRETS_FILE = "clients-secrets.json"
CLIENTS = (
    {"id": "till", "scopes": ["pos"], "channel": "POS", "stores": ["S17"]},
    {"id": "shop", "scopes": ["pos"], "channel": "WEB", "surface": "public"},
    {"id": "desk", "scopes": ["operator"], "channel": "OPERATOR"},
    {"id": "loader", "scopes": ["loader"], "channel": "OPERATOR"},
    {"id": "payments", "scopes": ["payments"], "channel": "OPERATOR"},
)
REQUESTS_PER_S = 100_000


class TokenMissing(RuntimeError):
    """The folder holds no secret of this client."""


def embedded_clients(data: Path) -> Path:
    """The clients file; secrets in clear lie beside it, readable by this user only."""
    path = data / CLIENTS_FILE
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        tokens = {str(client["id"]): secrets.token_urlsafe(24) for client in CLIENTS}
        entries = [
            {
                **client,
                "secrets": [hashlib.sha256(tokens[str(client["id"])].encode()).hexdigest()],
                "requestsPerS": REQUESTS_PER_S,
            }
            for client in CLIENTS
        ]
        write_private(data / SECRETS_FILE, json.dumps(tokens, indent=2))
        write_private(path, json.dumps({"clients": entries}, indent=2))
    return path


def bearer(data: Path, client: str) -> str:
    """The value of the `Authorization` header of one of these clients. Raises TokenMissing."""
    path = data / SECRETS_FILE
    try:
        tokens = json.loads(path.read_text())
        return f"Bearer {client}.{tokens[client]}"
    except (FileNotFoundError, KeyError):
        raise TokenMissing(f"{path} holds no secret of the client {client}") from None
