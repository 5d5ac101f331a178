"""Just enough of a mail server to see what goes out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from socketserver import StreamRequestHandler, ThreadingTCPServer


class Postman(StreamRequestHandler):
    """Just enough of SMTP to take mail in."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.strip().upper()
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            if word != b"DATA":
                self.wfile.write(b"250 ok\r\n")
                continue
            self.wfile.write(b"354 go on\r\n")
            letter = b"".join(iter(self.rfile.readline, b".\r\n"))
            payload = message_from_bytes(letter).get_payload(decode=True)
            assert isinstance(payload, bytes)
            self.server.received.append(payload.decode().strip())  # type: ignore[attr-defined]
            self.wfile.write(b"250 taken\r\n")


@contextmanager
def mailbox() -> Iterator[tuple[str, list[str]]]:
    """The address of a mail server and the texts of what came."""
    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), Postman) as server:
        received: list[str] = []
        server.received = received  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", received
        server.shutdown()
