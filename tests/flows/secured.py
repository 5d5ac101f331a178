"""A broker that lets in only whom it knows: by password, over TLS, by certificate."""

import ipaddress
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.embedded_kafka import JVM, LOGGING, KafkaBroker
from app.free_port import free_port
from app.kafka_jars import installed_jars
from deploy.proving.cluster import Cluster

USER, PASSWORD = "giftmark", "sword-of-the-test"
PROTOCOLS = {"CLEAR": "SASL_PLAINTEXT", "SEALED": "SASL_SSL", "MUTUAL": "SSL"}
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
Words = dict[str, str | None]  # None: is not set
BY_PLAIN: Words = {"SASL_MECHANISM": "PLAIN", "USERNAME": USER, "PASSWORD": PASSWORD}
BY_SCRAM = BY_PLAIN | {"SASL_MECHANISM": "SCRAM-SHA-512"}
LIFE = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A key and its certificate, as PEM files too."""

    path: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_file(self) -> Path:
        return self.path.with_suffix(".pem")

    @property
    def key_file(self) -> Path:
        return self.path.with_suffix(".key")

    def issue(self, path: Path) -> "Identity":
        """A certificate for 127.0.0.1, signed by this identity."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.name)])
        return _written(Identity(path, name, ec.generate_private_key(ec.SECP256R1())), by=self)


def authority(path: Path) -> Identity:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.name)])
    made = Identity(path, name, ec.generate_private_key(ec.SECP256R1()))
    return _written(made, by=made)


def _written(identity: Identity, *, by: Identity) -> Identity:
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(identity.name)
        .issuer_name(by.name)
        .public_key(identity.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=identity is by, path_length=None), critical=True)
        .sign(by.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, open_key = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    identity.certificate_file.write_bytes(certificate.public_bytes(pem))
    identity.key_file.write_bytes(identity.key.private_bytes(pem, form, open_key))
    return identity


class SecuredBroker(KafkaBroker):
    """Has a listener for each of `PROTOCOLS` beside the open one; knows one user by SCRAM, too."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._ports = {name: free_port() for name in PROTOCOLS}
        papers = data.parent
        self.authority = authority(papers / "authority")
        self._identity = self.authority.issue(papers / "broker")
        self._guest = self.authority.issue(papers / "guest")

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self._ports[listener]}"

    def told(self, listener: str, words: Words) -> Words:
        """The environment of a process that comes in by this listener."""
        given: Words = {"URL": self.address(listener), "SECURITY_PROTOCOL": PROTOCOLS[listener]}
        if listener != "CLEAR":
            given["CA_FILE"] = str(self.authority.certificate_file)
        if listener == "MUTUAL":
            given["CERTIFICATE_FILE"] = str(self._guest.certificate_file)
            given["KEY_FILE"] = str(self._guest.key_file)
        return {f"GIFTMARK_KAFKA_{name}": value for name, value in (given | words).items()}

    def start(self) -> str:
        """SCRAM users live in the cluster: only a running broker learns of them."""
        address = super().start()
        tool = ("java", *JVM, LOGGING, "-cp", f"{installed_jars()}/*", "kafka.admin.ConfigCommand")
        user = ("--entity-type", "users", "--entity-name", USER)
        change = ("--alter", "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]")
        command = (*tool, "--bootstrap-server", address, *change, *user)
        subprocess.run(command, check=True, capture_output=True)
        return address

    def _listeners(self, controller: str) -> dict[str, str]:
        known = super()._listeners(controller)
        places = [f"{name}://{self.address(name)}" for name in PROTOCOLS]
        protocols = [f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()]
        more = {
            "listeners": places,
            "advertised.listeners": places,
            "listener.security.protocol.map": protocols,
        }
        joined = {name: ",".join([known[name], *values]) for name, values in more.items()}
        return joined | self._sasl() | self._tls()

    def _sasl(self) -> dict[str, str]:
        names = [f"listener.name.{name.lower()}" for name in ("CLEAR", "SEALED")]
        plain = f'{PLAIN} required user_{USER}="{PASSWORD}";'
        return {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            **{f"{name}.plain.sasl.jaas.config": plain for name in names},
            **{f"{name}.scram-sha-512.sasl.jaas.config": f"{SCRAM} required;" for name in names},
        }

    def _tls(self) -> dict[str, str]:
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": _one_line(self._identity.key_file),
            "ssl.keystore.certificate.chain": _one_line(self._identity.certificate_file),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": _one_line(self.authority.certificate_file),
            "listener.name.mutual.ssl.client.auth": "required",
        }


def _one_line(file: Path) -> str:
    return file.read_text().replace("\n", "\\n")


class SecuredCluster(Cluster):
    """Its workers come in by SCRAM over TLS only."""

    broker: SecuredBroker

    def make_broker(self, data: Path) -> SecuredBroker:
        return SecuredBroker(data)

    def start(self) -> None:
        told = self.broker.told("SEALED", BY_SCRAM)
        self._settings |= {name: value for name, value in told.items() if value is not None}
        super().start()
