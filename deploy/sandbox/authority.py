"""The demo certification centre: one RSA key that issues certificates and signs for tests."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from deploy.sandbox.signatures import ORGANISATION_INN, PERSON_INN

_CENTRE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Demo certification centre")])
_LIFE = timedelta(days=3650)


@dataclass(frozen=True)
class Owner:
    """Whom a certificate names; `person_inn` for somebody acting under МЧД."""

    name: str
    inn: str | None = None
    person_inn: str | None = None
    expired: bool = False


@dataclass(frozen=True)
class Authority:
    key: rsa.RSAPrivateKey

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def certificate(self, owner: Owner) -> x509.Certificate:
        names = [x509.NameAttribute(NameOID.COMMON_NAME, owner.name)]
        if owner.inn:
            names.append(x509.NameAttribute(ORGANISATION_INN, owner.inn))
        if owner.person_inn:
            names.append(x509.NameAttribute(PERSON_INN, owner.person_inn))
        end = datetime.now(UTC) + (timedelta(days=-1) if owner.expired else _LIFE)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(_CENTRE)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - _LIFE - timedelta(days=2))
            .not_valid_after(end)
            .sign(self.key, hashes.SHA256())
        )

    def issued(self, certificate: x509.Certificate) -> bool:
        try:
            self.key.public_key().verify(
                certificate.signature,
                certificate.tbs_certificate_bytes,
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except InvalidSignature:
            return False
        return True

    def sign(self, certificate: x509.Certificate, payload: bytes, *, detached: bool) -> str:
        """Base64 CMS of `payload` in one line."""
        options = [pkcs7.PKCS7Options.Binary]
        if detached:
            options.append(pkcs7.PKCS7Options.DetachedSignature)
        der = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(payload)
            .add_signer(certificate, self.key, hashes.SHA256())
            .sign(serialization.Encoding.DER, options)
        )
        return base64.b64encode(der).decode()


def open_authority(key_file: Path | None) -> Authority:
    """Reads the key, making it on the first start; without a file it lives in memory only."""
    if key_file and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{key_file}: not an RSA key")
        return Authority(key)
    authority = Authority(rsa.generate_private_key(65_537, 2048))
    if key_file:
        key_file.touch(mode=0o600)
        key_file.write_bytes(authority.key_pem)
    return authority
