"""How we prove to the API server who we are."""

import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schedune_kube.settings import SettingsError

_TOKEN_LIFETIME_S: Final = 60.0
"""A token file is read again when it was read this long ago: its owner renews it."""


@dataclass
class Credentials:
    """Where the server is, what proves it, and what proves us."""

    server: str
    ca_file: Path | None = None
    token: str | None = None
    token_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    _cached: str = field(default="", repr=False)
    _read_at: float = field(default=float("-inf"), repr=False)

    def tls(self) -> ssl.SSLContext:
        """Return the context that trusts the cluster's authority and shows our certificate.

        Raises:
            SettingsError: the authority's file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except OSError as error:
            told = f"caFile {self.ca_file}: {error.strerror or error}"
            raise SettingsError(f"{told}: give the certificates of the API server") from error
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context

    def headers(self) -> dict[str, str]:
        """Return the headers that name us; a token file is re-read once a minute."""
        token = self.token
        if self.token_file is not None:
            if time.monotonic() - self._read_at > _TOKEN_LIFETIME_S:
                self._cached = self.token_file.read_text().strip()
                self._read_at = time.monotonic()
            token = self._cached
        return {"Authorization": f"Bearer {token}"} if token else {}

    def forget_token(self) -> None:
        """Read the token file again at the next request: the server refused the token."""
        self._read_at = float("-inf")
