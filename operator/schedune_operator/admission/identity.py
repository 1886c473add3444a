"""How the webhook proves itself: an authority and a certificate of this process alone.

Keys never leave this process's memory. Each operator has its own authority, and the
configuration holds those of all of them.
"""

import ipaddress
import os
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MOST_AUTHORITIES: Final = 16
"""Of operators that were restarted many times within one lifetime the newest count."""
_CLOCKS: Final = timedelta(minutes=5)
"""By how much the API server's clock may be behind ours."""
_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True)
class Identity:
    """A certificate for the server, and the authority that signed it (PEM)."""

    authority: bytes
    certificate: bytes
    key: bytes
    made: datetime
    ends: datetime

    def is_valid(self, now: datetime) -> bool:
        """Say whether a server proves itself by this now; not by one of a clock that was ahead."""
        return self.made - _CLOCKS <= now < self.ends

    def is_old(self, now: datetime) -> bool:
        """Say whether two thirds of its life are over, or it is not valid: time for the next."""
        return not self.is_valid(now) or now >= self.made + (self.ends - self.made) * 2 / 3

    def serve_by(self, context: ssl.SSLContext) -> None:
        """Let a server prove itself by this from the next connection on."""
        handle = os.memfd_create("schedune-webhook")
        try:
            os.write(handle, self.key + self.certificate)
            context.load_cert_chain(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)


def make_identity(names: Sequence[str], now: datetime, lifetime_s: float) -> Identity:
    """Make an authority and a certificate for these DNS names and addresses."""
    ends = now + timedelta(seconds=lifetime_s)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    serial = x509.random_serial_number()
    issuer = _name(f"schedune-webhook-{serial:x}"[:64])
    authority = (
        _builder(issuer, issuer, authority_key, now, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    alternatives = x509.SubjectAlternativeName([_general(one) for one in names])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _builder(_name("schedune-webhook"), issuer, key, now, ends)
        .add_extension(alternatives, critical=False)
        .add_extension(usage, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(authority.public_bytes(_PEM), certificate.public_bytes(_PEM), secret, now, ends)


def merged_bundle(held: bytes, ours: Iterable[bytes], now: datetime) -> bytes:
    """Return the authorities that are to be trusted: all that are not over, and ours.

    What cannot be read is left out: it would make the API server refuse the whole.
    """
    found = {_text(one): one for one in _read(held) if one.not_valid_after_utc > now}
    own = {_text(one): one for pem in ours for one in _read(pem)}
    others = sorted(
        (one for text, one in found.items() if text not in own),
        key=lambda one: one.not_valid_before_utc,
        reverse=True,
    )
    kept = [*own, *(_text(one) for one in others)]
    return b"".join(sorted(kept[:MOST_AUTHORITIES]))


def _read(bundle: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(bundle) if bundle.strip() else []
    except ValueError:
        return []


def _text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(_PEM)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(ends)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
