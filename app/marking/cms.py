"""CMS signatures as they come from signers: what they hold and whom their certificate names."""

import contextlib
from datetime import datetime
from typing import Annotated, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from app.marking.streebog import streebog

LARGEST_CMS: Final = 1 << 20
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
ORGANISATION_INN: Final = x509.ObjectIdentifier("1.2.643.100.4")
PERSON_INN: Final = x509.ObjectIdentifier("1.2.643.3.131.1.1")
DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}

GOST_DIGESTS: Final = {"1.2.643.7.1.1.2.2": 32, "1.2.643.7.1.1.2.3": 64}
LARGEST_GOST: Final = 16 << 10


@asn1.sequence
class _ContentInfo:
    kind: x509.ObjectIdentifier
    content: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _AlgorithmWithParameters:
    oid: x509.ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class _Encapsulated:
    kind: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class _Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class _SignerInfo:
    version: int
    signer: _IssuerAndSerial
    digest: asn1.TLV
    attributes: Annotated[asn1.SetOf[_Attribute] | None, asn1.Implicit(0)]
    algorithm: asn1.TLV
    signature: bytes
    unsigned: Annotated[asn1.SetOf[_Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class _SignedData:
    version: int
    digests: asn1.SetOf[asn1.TLV]
    encapsulated: _Encapsulated
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    crls: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[_SignerInfo]


class NotSigned(ValueError):
    """No CMS of one signer with its certificate; the text says what is missing, in Russian."""


class Signature(msgspec.Struct, frozen=True):
    """One signer's CMS. `attached`: the bytes inside, None when detached.

    `digest_ok`: the digest and, where the key is RSA, the signature fit the payload; None where
    nothing speaks against it and only the remote service can judge (GOST).
    """

    attached: bytes | None
    certificate: x509.Certificate
    digest_ok: bool | None

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()

    @property
    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name

    @property
    def inns(self) -> frozenset[str]:
        """ИНН of the organisation and of the person that the certificate names."""
        found = set()
        for oid in (ORGANISATION_INN, PERSON_INN):
            for attribute in self.certificate.subject.get_attributes_for_oid(oid):
                text = str(attribute.value)
                found.add(text[2:] if len(text) == 12 and text.startswith("00") else text)
        return frozenset(found)

    def valid_at(self, moment: datetime) -> bool:
        of = self.certificate
        return of.not_valid_before_utc <= moment <= of.not_valid_after_utc


def read(cms: bytes, payload: bytes) -> Signature:
    """The signature over `payload`; of GOST up to 0.2 s of work. Raises NotSigned."""
    if len(cms) > LARGEST_CMS:
        raise NotSigned("Подпись слишком велика.")
    try:
        outer = asn1.decode_der(_ContentInfo, cms)
        data = outer.content.parse(_SignedData)
        certificates = pkcs7.load_der_pkcs7_certificates(cms) if data.certificates else []
    except ValueError:
        raise NotSigned("Это не подпись CMS.") from None
    signers = data.signers.as_list()
    if outer.kind.dotted_string != SIGNED_DATA or len(signers) != 1:
        raise NotSigned("Нужна подпись CMS одного подписанта.")
    for certificate in certificates:
        if certificate.serial_number == signers[0].signer.serial:
            fits = _fits(signers[0], certificate, payload)
            return Signature(data.encapsulated.content, certificate, fits)
    raise NotSigned("В подписи нет сертификата подписанта.")


def _fits(signer: _SignerInfo, certificate: x509.Certificate, payload: bytes) -> bool | None:
    name = _digest_name(signer)
    if name in GOST_DIGESTS:
        return _gost_fits(signer, payload, size=GOST_DIGESTS[name])
    algorithm = DIGESTS.get(name)
    if algorithm is None:
        return None
    signed = payload
    if signer.attributes is not None:
        hasher = hashes.Hash(algorithm)
        hasher.update(payload)
        if _message_digest(signer.attributes.as_list()) != hasher.finalize():
            return False
        signed = asn1.encode_der(signer.attributes)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    try:
        key.verify(signer.signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _gost_fits(signer: _SignerInfo, payload: bytes, *, size: int) -> bool | None:
    """The digest only, and not of what is long; the remote service judges the rest."""
    if signer.attributes is None or len(payload) > LARGEST_GOST:
        return None
    told = _message_digest(signer.attributes.as_list())
    return None if told == streebog(payload, size=size) else False


def _digest_name(signer: _SignerInfo) -> str:
    """Empty for what cannot be read."""
    for shape in (_Algorithm, _AlgorithmWithParameters):
        with contextlib.suppress(ValueError):
            return str(signer.digest.parse(shape).oid.dotted_string)
    return ""


def _message_digest(attributes: list[_Attribute]) -> bytes | None:
    for attribute in attributes:
        if attribute.kind.dotted_string == MESSAGE_DIGEST:
            value: bytes = attribute.values.as_list()[0].parse(bytes)
            return value
    return None
