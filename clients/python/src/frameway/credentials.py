"""Credentials: TLS, and the API key or token that every call carries."""

from __future__ import annotations

import os
import pathlib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from frameway.errors import ConfigError

_LOOK_SECONDS = 10.0
"""The interval between two looks at the file of a secret."""
_MAX_SECRET_BYTES = 12 * 1024
"""The maximum size of a secret. Servers accept little more in the metadata of a call."""

File = str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
class Credentials:
    """The credentials of a connection. Without any, `connect` uses neither TLS nor a key.

    `tls` asks for TLS with the roots of this system, `ca` (the file of a CA's certificate, PEM) for
    TLS with that CA. `certificate` and `key` are the files of a client certificate (PEM). `token` is
    an API key or a token: the text itself; a `pathlib.Path`, which is read again every 10 s; or a
    function that returns the text, which is called for every call.

    Without TLS, a token is sent only to this machine, unless `allow_plaintext_token` is set.
    """

    token: str | os.PathLike[str] | Callable[[], str] | None = None
    tls: bool = False
    ca: File | None = None
    certificate: File | None = None
    key: File | None = None
    allow_plaintext_token: bool = False

    def __repr__(self) -> str:
        return f"Credentials(tls={self.uses_tls}, certificate={self.certificate!r}, token={'***' if self.token else None})"

    @property
    def uses_tls(self) -> bool:
        return self.tls or self.ca is not None or self.certificate is not None

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Returns the credentials of a TLS connection. Raises ConfigError if a file cannot be used."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("a client certificate needs both: Credentials(certificate=..., key=...)")
        return grpc.ssl_channel_credentials(
            _pem(self.ca, "CERTIFICATE", "CA") or _system_roots(),
            _pem(self.key, "PRIVATE KEY", "client certificate's key"),
            _pem(self.certificate, "CERTIFICATE", "client certificate"),
        )


class Secret:
    """Reads the secret of a call from its source. Shows it in no text."""

    def __init__(self, source: str | os.PathLike[str] | Callable[[], str]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._seen: str | None = None
        self._looked = 0.0
        self._sent = ""
        if not callable(source):
            self.header()

    def header(self) -> str:
        """Returns the value of `authorization`. Raises ConfigError if the secret cannot be used."""
        self._sent = self._read()
        return self._sent

    def was_renewed(self) -> bool:
        """Says whether the source has another secret than the last call had. Looks at a file at once."""
        before = self._sent
        self._looked = -_LOOK_SECONDS
        return self._read() != before

    def _read(self) -> str:
        if isinstance(self._source, str):
            return _header(self._source, "the API key or token")
        if callable(self._source):
            return _header(self._source(), "the API key or token that the function returns")
        with self._lock:
            if self._seen is None or time.monotonic() - self._looked >= _LOOK_SECONDS:
                try:
                    text = pathlib.Path(self._source).read_text(encoding="utf-8")
                    self._seen = _header(text, f"the API key or token in {os.fspath(self._source)}")
                except (OSError, ValueError) as error:
                    # Later, the secret from before is sent: the file may be about to be replaced.
                    if self._seen is None:
                        raise (
                            error if isinstance(error, ConfigError) else ConfigError(_unreadable(self._source, error))
                        ) from None
                self._looked = time.monotonic()
            return self._seen


def _header(secret: str, what: str) -> str:
    secret = secret.strip()
    if not secret or len(secret) > _MAX_SECRET_BYTES or not all("!" <= character <= "~" for character in secret):
        raise ConfigError(f"{what} must be 1 to 12,288 printable ASCII characters without spaces")
    return f"Bearer {secret}"


def _pem(path: File | None, block: str, what: str) -> bytes | None:
    if path is None:
        return None
    try:
        pem = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(_unreadable(path, error)) from None
    if b"-----BEGIN " not in pem or f"{block}-----".encode() not in pem:
        raise ConfigError(f"{os.fspath(path)} is not the PEM file of a {what}")
    return pem


def _system_roots() -> bytes | None:
    """Returns the CAs of this system; None, which means those of gRPC, if it has none."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode() or None


def _unreadable(path: File, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) else "it is not text"
    return f"{os.fspath(path)} cannot be read: {why}"
