"""The throw-away certificate authority and keys of a test cluster."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


def pem_of_key(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem_of_certificate(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common_name, organization=None):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


class Authority:
    """Issues certificates that are valid for a day."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name("cppx test authority")
        certificate = (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = pem_of_certificate(certificate)

    def _builder(self, subject, public_key):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )

    def _issue(self, subject, usage, names=()):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return pem_of_certificate(builder.sign(self._key, hashes.SHA256())), pem_of_key(key)

    def server(self, hosts, addresses):
        """(certificate, key) of a server."""
        names = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        return self._issue(_name(hosts[0]), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, user, group=None):
        """(certificate, key) of a user of the API server."""
        return self._issue(_name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH)


def signing_key():
    """The key that signs service account tokens."""
    return pem_of_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
