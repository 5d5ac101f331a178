"""A Faust worker process: event loop, signals, and an end that always comes."""

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

import faust
import structlog
import uvloop
from faust.types.auth import CredentialsT

from agents.handling import Handler, agent_for
from app.kafka_access import KafkaAccess
from app.settings import Settings
from app.transport import BatchApp

STOP_S = 8.0
SWITCH_S = 0.0002
GC_THRESHOLDS = (50_000, 50, 100)
FAULT = 70
log = structlog.get_logger("worker")


class Worker(faust.Worker):
    """Ends within ten seconds of a signal, whatever hangs."""

    asked_to_end = False

    def _schedule_shutdown(self, signal: Any) -> None:
        self.asked_to_end = True
        watchdog = threading.Timer(STOP_S, os._exit, (128 + int(signal),))
        watchdog.daemon = True
        watchdog.start()
        super()._schedule_shutdown(signal)


def install_loop() -> None:
    """Before any app is made: Faust's loop option comes too late.

    The short switch interval keeps its consumer thread from holding the interpreter for
    5 ms at a time while a till waits. States are free of cycles: looking for garbage among all
    of them, as often as Python does by itself, would cost a till some 60 ms at a time.
    """
    uvloop.install()
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Ends the process if another one is there: each would take the other's files away."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            sys.exit(
                f"another worker runs on {folder}: set GIFTMARK_WORKER_NAME or GIFTMARK_DATA_DIR"
            )
        yield


def run(app: faust.App) -> None:
    """Runs until a signal; returns after that, exits 70 when it ended by itself."""
    worker = Worker(
        app, loglevel="WARNING", override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.spinner = None
    with contextlib.suppress(SystemExit):
        worker.execute_from_commandline()
    if not worker.asked_to_end:
        sys.exit(FAULT)


def fatal(error: BaseException) -> None:
    """Ends the process at once, heard or not: what was not acknowledged comes again elsewhere."""
    try:
        log.error("fault, the process ends", error=type(error).__name__, exc_info=error)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(FAULT)


def faust_app(settings: Settings, role: str, *, canonical_url: str) -> BatchApp:
    """An app of one role with everything that Faust must not decide by itself."""
    kafka = settings.kafka
    data = settings.data_dir / settings.worker_name / "faust"
    data.mkdir(parents=True, exist_ok=True)
    return BatchApp(
        f"{settings.app_name}-{role}",
        broker=[f"kafka://{address}" for address in kafka.addresses.split(",")],
        broker_credentials=_credentials(kafka),
        store="memory://",
        datadir=str(data),
        web_enabled=False,
        canonical_url=canonical_url,
        topic_partitions=settings.ledger_partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=1,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        broker_max_poll_records=1_000,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(20.0, settings.session_timeout_s),
        broker_commit_interval=settings.commit_interval_s,
        stream_wait_empty=False,
        autodiscover=False,
    )


def read_topics(app: faust.App, handlers: Iterable[tuple[str, int, Handler]]) -> None:
    """`handlers`: (topic, its partitions, function); keys and values come as they lie."""
    for topic, partitions, handler in handlers:
        source = app.topic(
            topic,
            key_type=None,
            value_type=None,
            key_serializer="raw",
            value_serializer="raw",
            partitions=partitions,
        )
        app.agent(source, name=topic)(agent_for(topic, handler, fatal))


def _credentials(kafka: KafkaAccess) -> CredentialsT | None:
    """Faust makes its clients itself, and takes of them what `KafkaAccess.client` would."""
    context = kafka.security.get("ssl_context")
    if "sasl_mechanism" in kafka.security:
        return faust.SASLCredentials(
            mechanism=kafka.security["sasl_mechanism"],
            username=kafka.security["sasl_plain_username"],
            password=kafka.security["sasl_plain_password"],
            ssl_context=context,
        )
    return context and faust.SSLCredentials(context)
