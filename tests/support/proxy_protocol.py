"""Headers of the PROXY protocol, as a load balancer sends them."""

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version1(source="192.0.2.1", destination="198.51.100.2", source_port=56324, destination_port=80):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def binary(command, family, rest=b""):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(rest)) + rest


def version2(source="192.0.2.1", destination="198.51.100.2", source_port=56324, destination_port=80, tlvs=b""):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    ports = struct.pack(">HH", source_port, destination_port)
    return binary(0x21, 0x21 if ":" in source else 0x11, addresses + ports + tlvs)


def local():
    """A connection of the load balancer's own: a health check."""
    return binary(0x20, 0)
