"""CMS signatures: what they hold, and whether they fit the bytes they stand for."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

ORGANISATION_INN = x509.ObjectIdentifier("1.2.643.100.4")
PERSON_INN = x509.ObjectIdentifier("1.2.643.3.131.1.1")
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNED_DATA = "1.2.840.113549.1.7.2"
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
DIGEST_MISMATCH = "message-digest attribute value does not match calculated value"


@asn1.sequence
class _ContentInfo:
    kind: x509.ObjectIdentifier
    content: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


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
    digest: _Algorithm
    attributes: Annotated[asn1.SetOf[_Attribute] | None, asn1.Implicit(0)]
    algorithm: _Algorithm
    signature: bytes
    unsigned: Annotated[asn1.SetOf[_Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class _SignedData:
    version: int
    digests: asn1.SetOf[_Algorithm]
    encapsulated: _Encapsulated
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    crls: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[_SignerInfo]


class NotSignedMessageError(ValueError):
    """The bytes are no CMS SignedData with one signer and its certificate."""


@dataclass(frozen=True)
class SignedMessage:
    """One signer's CMS; `attached` holds the signed bytes, None when detached."""

    attached: bytes | None
    certificate: x509.Certificate
    signer: _SignerInfo

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()

    @property
    def inns(self) -> frozenset[str]:
        """ИНН of the organisation and of the person named in the certificate."""
        found = set()
        for oid in (ORGANISATION_INN, PERSON_INN):
            for attribute in self.certificate.subject.get_attributes_for_oid(oid):
                text = str(attribute.value)
                found.add(text[2:] if len(text) == 12 and text.startswith("00") else text)
        return frozenset(found)


def parse(text: str) -> SignedMessage:
    """Reads base64 DER; raises NotSignedMessageError with the reason."""
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotSignedMessageError("not base64") from error
    try:
        outer = asn1.decode_der(_ContentInfo, der)
        data = outer.content.parse(_SignedData)
        certificates = pkcs7.load_der_pkcs7_certificates(der) if data.certificates else []
    except ValueError as error:
        raise NotSignedMessageError("not DER of a CMS message") from error
    if outer.kind.dotted_string != SIGNED_DATA:
        raise NotSignedMessageError("not SignedData")
    signers = data.signers.as_list()
    if len(signers) != 1:
        raise NotSignedMessageError("not exactly one signer")
    for certificate in certificates:
        if certificate.serial_number == signers[0].signer.serial:
            return SignedMessage(data.encapsulated.content, certificate, signers[0])
    raise NotSignedMessageError("certificate of the signer is missing")


def flaw(message: SignedMessage, content: bytes) -> str | None:
    """Why the signature does not belong to `content`, or None when it does."""
    algorithm = DIGESTS.get(message.signer.digest.oid.dotted_string)
    public_key = message.certificate.public_key()
    if algorithm is None or not isinstance(public_key, rsa.RSAPublicKey):
        return "algorithm is not supported"
    signed = content
    if message.signer.attributes is not None:
        hasher = hashes.Hash(algorithm)
        hasher.update(content)
        if _message_digest(message.signer) != hasher.finalize():
            return DIGEST_MISMATCH
        signed = asn1.encode_der(message.signer.attributes)
    try:
        public_key.verify(message.signer.signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return "signature value is wrong"
    return None


def _message_digest(signer: _SignerInfo) -> bytes | None:
    if signer.attributes is None:
        return None
    for attribute in signer.attributes.as_list():
        if attribute.kind.dotted_string == MESSAGE_DIGEST:
            value: bytes = attribute.values.as_list()[0].parse(bytes)
            return value
    return None


def expired(message: SignedMessage, now_ms: int) -> bool:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    certificate = message.certificate
    return not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
