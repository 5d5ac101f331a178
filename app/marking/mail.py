"""Notifications by mail, one each; without an SMTP address the console alone shows them."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from app.marking.database import Database

SUBJECT = "Заказ кодов маркировки"
TIMEOUT_S = 20
REFUSED_FOR_GOOD = 500


class Notice(msgspec.Struct, frozen=True):
    """A record of the topic `marking_notifications`."""

    notification_id: str
    user_id: str
    kind: str
    text: str
    order_id: str | None = None


class Post(msgspec.Struct, frozen=True):
    """Where mail goes out: `smtp://user:password@host:port` or `smtps://…`."""

    url: str
    sender: str


async def send_notice(database: Database, post: Post | None, value: bytes) -> bool:
    """True: a mail went out now. A repeated record sends none."""
    notice = msgspec.json.decode(value, type=Notice)
    if post is None:
        return False
    row = await database.one(
        """select u.email from marking.notifications n
           join marking.users u on u.id = n.user_id
           where n.id = %(id)s and n.mailed_at is null and u.active and u.email is not null""",
        id=notice.notification_id,
    )
    if row is None:
        return False
    await asyncio.to_thread(_send, post, row["email"], notice.text)
    await database.execute(
        """update marking.notifications set mailed_at = clock_timestamp()
           where id = %(id)s and mailed_at is null""",
        id=notice.notification_id,
    )
    return True


def may_pass(error: OSError) -> bool:
    """Whether the same mail may go out later: the server is away, or told of a passing trouble."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code < REFUSED_FOR_GOOD for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code < REFUSED_FOR_GOOD
    told = isinstance(error, smtplib.SMTPException)
    return not told or isinstance(error, smtplib.SMTPServerDisconnected)


def _send(post: Post, address: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = post.sender, address, SUBJECT
    message.set_content(text)
    with _connected(urlsplit(post.url)) as server:
        server.send_message(message)


def _connected(parts: SplitResult) -> smtplib.SMTP:
    host, port = parts.hostname or "localhost", parts.port or 0
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
