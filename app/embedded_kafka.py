"""Apache Kafka in one JVM on this machine: a real KRaft broker on a loopback port."""

import asyncio
import base64
import secrets
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.free_port import free_port, listens
from app.kafka_access import KafkaAccess
from app.kafka_jars import installed_jars
from app.tether import end, spawn

JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
LOGGING = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
START_TIMEOUT_S = 60
STOP_PATIENCE_S = 4
PORT_ATTEMPTS = 5

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.index.size.max.bytes": "1048576",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "33554432",
    # A killed broker may not register again before its old session ends.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
}


class BrokerError(RuntimeError):
    """The embedded broker does not come up."""


class KafkaBroker:
    """One broker over one data folder; keeps its port through `kill` and `start`."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.port = 0
        self._served = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Returns the bootstrap address once the broker answers there; formats new data first."""
        if self.running:
            return self.bootstrap
        classpath = f"{installed_jars()}/*"
        self.data.mkdir(parents=True, exist_ok=True)
        for _ in range(PORT_ATTEMPTS):
            self.port = self.port or free_port()
            self._write_settings()
            self._format(classpath)
            if self._launch(classpath):
                self._served = True
                return self.bootstrap
            if not self._served:
                self.port = 0
        raise BrokerError(f"a port was taken by others in each of {PORT_ATTEMPTS} attempts")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, stop_signal: int) -> None:
        if self._process is not None:
            end(self._process, stop_signal=stop_signal, patience_s=STOP_PATIENCE_S)
            self._process = None

    def _write_settings(self) -> None:
        controller = f"127.0.0.1:{free_port()}"
        settings = {
            **SETTINGS,
            **self._listeners(controller),
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.data / "logs"),
        }
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (self.data / "server.properties").write_text("".join(lines))

    def _listeners(self, controller: str) -> dict[str, str]:
        return {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }

    def _format(self, classpath: str) -> None:
        if (self.data / "logs" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16))[:22].decode()
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted")
        target = (f"--cluster-id={cluster}", "-c", "server.properties")
        command = ("java", *JVM, LOGGING, "-cp", classpath, *tool, *target)
        done = subprocess.run(  # noqa: S603
            command, cwd=self.data, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BrokerError(f"formatting {self.data} failed: {done.stdout}{done.stderr}")

    def _launch(self, classpath: str) -> bool:
        """Whether the broker came up; False means that another process took a port first."""
        log = self.data / "broker.log"
        command = ("java", *JVM, LOGGING, "-cp", classpath, "kafka.Kafka", "server.properties")
        with log.open("wb") as output:
            self._process = spawn(command, output=output, cwd=self.data)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.running and time.monotonic() < deadline:
            if listens(self.port) and answers(self.bootstrap):
                return True
            time.sleep(0.1)
        self.kill()
        said = log.read_text(errors="replace")[-4000:]
        if "Address already in use" in said:
            return False
        raise BrokerError(f"the broker on {self.data} did not come up; its last words:\n{said}")


def answers(bootstrap: str) -> bool:
    """Whether a broker there serves metadata; usable inside and outside an event loop."""

    async def describe() -> bool:
        admin = KafkaAccess(bootstrap).client(AIOKafkaAdminClient, request_timeout_ms=2000)
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()

    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(lambda: asyncio.run(describe())).result()
