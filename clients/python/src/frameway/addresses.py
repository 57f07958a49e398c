"""Addresses of servers, and which of them is used."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from frameway.errors import ConfigError

_FORM = "write HOST:PORT, for example 127.0.0.1:7400, https://HOST:PORT for TLS, or unix:/run/frameway.sock"


@dataclass(frozen=True)
class Address:
    """An address, and whether its server speaks TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return self.host if self.is_unix else f"{self.host}:{self.port}"

    @property
    def is_unix(self) -> bool:
        return self.host.startswith("unix:")

    @property
    def stays_here(self) -> bool:
        """True if nobody else can read what is sent in plaintext: it stays on this machine."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.is_unix or self.host.lower() == "localhost"


def parse(text: str, tls: bool) -> Address:
    """Reads `host:port`, with or without `http://` or `https://`, or `unix:` and a path."""
    text = text.strip().rstrip("/")
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(text, 0, tls=False)
    scheme, _, rest = text.rpartition("://")
    host, _, port = rest.rpartition(":")
    usable = host and not any(character in host for character in " /@") and port.isascii() and port.isdigit()
    if scheme.lower() not in ("", "http", "https") or not usable or not 0 < int(port) < 65536:
        raise ConfigError(f"{text!r} is not an address: {_FORM}")
    if scheme.lower() == "http" and tls:
        raise ConfigError(f"{text!r} is without TLS, so a CA or a client certificate has no effect: use https://")
    return Address(host, int(port), tls or scheme.lower() == "https")


class Route:
    """The addresses of a client, and the one that is used for new calls."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.addresses = addresses
        self.current = 0

    @property
    def address(self) -> Address:
        return self.addresses[self.current]

    def leave(self, address: Address) -> None:
        """Goes on to the next address, unless another call has done so already."""
        if address is self.address:
            self.current = (self.current + 1) % len(self.addresses)
