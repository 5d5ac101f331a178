"""Who signs: a person at a browser, a command, a signing service, the demo key."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from app.marking.participants import Participant
from app.marking.signer import SignatureAwaited, Signer, SignerBroken

LONGEST_S = 30.0
LARGEST_CMS = 1 << 20


class BrowserSigner:
    """A person signs the pending request on the page; the flow waits."""

    automatic = False

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        del payload, detached, inn
        raise SignatureAwaited(purpose)


class CommandSigner:
    """Payload on stdin, CMS in DER or base64 on stdout; the words are run without a shell."""

    automatic = True

    def __init__(self, words: Sequence[str], *, longest_s: float = LONGEST_S) -> None:
        self._words = tuple(words)
        self._longest_s = longest_s

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        if not self._words:
            raise SignerBroken("marking_sign_command: not set")
        mode = "detached" if detached else "attached"
        filled = {"{inn}": inn, "{mode}": mode, "{purpose}": purpose}
        words = [_filled(word, filled) for word in self._words]
        try:
            child = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise SignerBroken(f"the command does not start: {type(error).__name__}") from None
        return _der(await self._written(child, payload))

    async def _written(self, child: asyncio.subprocess.Process, payload: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._longest_s):
                written, _ = await child.communicate(payload)
        except TimeoutError:
            raise SignerBroken(f"the command took over {self._longest_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if child.returncode != 0:
            raise SignerBroken(f"the command ended with {child.returncode}")
        return written


def _filled(word: str, filled: dict[str, str]) -> str:
    for name, value in filled.items():
        word = word.replace(name, value)
    return word


class HttpSigner:
    """POST {base64, detached, purpose, inn} → {signature}; mutual TLS where it is set up."""

    automatic = True

    def __init__(self, client: httpx.AsyncClient, url: str | None) -> None:
        self._client = client
        self._url = url

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        if self._url is None:
            raise SignerBroken("marking_sign_url: not set")
        form = {"detached": detached, "purpose": purpose, "inn": inn}
        return await _asked(self._client, self._url, payload, form=form)


class DemoSigner:
    """The key of the sandbox. `kind`, `person`: which of its certificates; `mode`: a fault."""

    automatic = True

    def __init__(self, client: httpx.AsyncClient, origin: str, config: dict[str, Any]) -> None:
        self._client = client
        self._origin = origin.rstrip("/")
        self._config = config

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        del purpose
        mode = self._config.get("mode")
        form: dict[str, Any] = {"detached": detached if mode is None else mode == "detached"}
        form |= {name: self._config[name] for name in ("kind", "person") if name in self._config}
        if mode == "wrong_bytes":
            payload, form["detached"] = payload + b" " * detached, detached
        return await _asked(self._client, f"{self._origin}/_sandbox/{inn}/sign", payload, form=form)


async def _asked(
    client: httpx.AsyncClient, url: str, payload: bytes, *, form: dict[str, Any]
) -> bytes:
    body = {"base64": base64.b64encode(payload).decode(), **form}
    try:
        answer = await client.post(url, json=body)
        answer.raise_for_status()
        signature = msgspec.json.decode(answer.content)["signature"]
    except httpx.HTTPStatusError as error:
        text = f"the signing service answered {error.response.status_code}"
        raise SignerBroken(text) from None
    except (httpx.HTTPError, ssl.SSLError) as error:
        raise SignerBroken(f"the signing service is away: {type(error).__name__}") from None
    except (msgspec.DecodeError, KeyError, TypeError):
        raise SignerBroken("the signing service answered no signature") from None
    return _der(str(signature).encode())


def _der(written: bytes) -> bytes:
    """DER as it is, or out of base64 with or without its PEM frame and line ends."""
    if len(written) > LARGEST_CMS:
        raise SignerBroken("the signature is too long")
    if written[:1] == b"\x30":
        return written
    inner = b"".join(line for line in written.split() if b"-" not in line)
    try:
        return base64.b64decode(inner, validate=True)
    except ValueError:
        raise SignerBroken("the signature is neither DER nor base64") from None


class NoSigner:
    """A kind that this environment does not have."""

    automatic = True

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        del payload, detached, purpose, inn
        raise SignerBroken(f"signer_kind: {self._kind} works in the sandbox environment only")


class SignersByKind:
    """The signer of a participant, by its kind; closes what it opened."""

    def __init__(
        self,
        *,
        command: Sequence[str] = (),
        url: str | None = None,
        tls: ssl.SSLContext | None = None,
        sandbox: str | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            timeout=LONGEST_S, trust_env=False, verify=True if tls is None else tls
        )
        self._browser = BrowserSigner()
        self._command = CommandSigner(command)
        self._http = HttpSigner(self._client, url)
        self._sandbox = sandbox

    def of(self, participant: Participant) -> Signer:
        match participant.signer_kind:
            case "browser":
                return self._browser
            case "command":
                return self._command
            case "http":
                return self._http
            case "demo" if self._sandbox is not None:
                return DemoSigner(self._client, self._sandbox, participant.signer_config)
            case kind:
                return NoSigner(kind)

    async def close(self) -> None:
        await self._client.aclose()


def client_tls(certificate: str, key: str, *, authority: str | None) -> ssl.SSLContext:
    """TLS that shows our certificate; `authority`: the file that the service's comes from."""
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    return context
