"""The signing page of the console: static files and one template that names the plug-in."""

from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape

FOLDER = Path(__file__).parent / "console" / "marking"
STATIC = {
    "sign.js": "text/javascript",
    "signing.js": "text/javascript",
    "signing.css": "text/css",
}


class SigningPage:
    """`plugin`: the script that brings the plug-in's objects; the emulator's is marked ДЕМО."""

    def __init__(self, plugin: str | None, *, demo: bool) -> None:
        environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=select_autoescape())
        template = environment.get_template("signing.html")
        self._page = template.render(plugin=plugin, demo=demo)
        self._policy = _policy(plugin)
        self._files = {name: (FOLDER / name).read_text() for name in STATIC}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/console/marking/signing", self._show)
        app.router.add_get("/console/marking/{name}", self._static)

    async def _show(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.Response(
            text=self._page,
            content_type="text/html",
            headers={
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    async def _static(self, request: web.Request) -> web.Response:
        text = self._files.get(name := request.match_info["name"])
        if text is None:
            raise web.HTTPNotFound
        return web.Response(text=text, content_type=STATIC[name])


def _policy(plugin: str | None) -> str:
    """Our own files, the plug-in's script and what it talks to; nothing inline."""
    parts = urlsplit(plugin or "")
    origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        f"default-src 'none'; script-src 'self'{origin}; style-src 'self'; "
        f"connect-src 'self'{origin}; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
