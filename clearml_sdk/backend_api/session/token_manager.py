"""`TokenManager`: a token that is renewed before it expires, for clients of a script's own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from clearml_sdk import session as sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

__all__ = ["TokenManager", "decoded_token"]


class TokenManager(ABC):
    """Keeps a token valid; `_do_refresh_token` obtains one.

    Args:
        token: the first one; None: obtained when it is asked for.
        req_token_expiration_sec: how long tokens are asked to live; None: as long as the server gives.
        token_history: where tokens are kept with the times at which they were obtained.
        token_expiration_threshold_sec: a token with less than this left is renewed.
    """

    def __init__(
        self,
        token: str | None = None,
        req_token_expiration_sec: int | None = None,
        token_history: MutableMapping[str, float] | None = None,
        token_expiration_threshold_sec: int = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self._token_history: MutableMapping[str, float] = token_history if token_history is not None else {}
        self._req_token_expiration_sec = req_token_expiration_sec
        self._token_expiration_threshold_sec = token_expiration_threshold_sec
        self._raw_token: str | None = None
        self._set_token(token)

    @abstractmethod
    def _do_refresh_token(self, old_token: str | None, exp: int | None = None) -> str:
        """A new token, in place of `old_token`. exp: how long it is to live, in seconds."""

    @property
    def token(self) -> str:
        """A token that is valid for the threshold at least."""
        if self.get_token_valid_period_sec() <= self._token_expiration_threshold_sec:
            self.refresh_token()
        return str(self._raw_token)

    @property
    def raw_token(self) -> str | None:
        """The token as it is, valid or not."""
        return self._raw_token

    @property
    def token_expiration_sec(self) -> int:
        """When the token expires, in seconds since the epoch; 0 without one."""
        claims = sessions.read_claims(self._raw_token) if self._raw_token else {}
        return int(claims.get("exp") or 0)

    @property
    def token_expiration_threshold_sec(self) -> int:
        return self._token_expiration_threshold_sec

    @token_expiration_threshold_sec.setter
    def token_expiration_threshold_sec(self, seconds: int) -> None:
        self._token_expiration_threshold_sec = seconds

    @property
    def req_token_expiration_sec(self) -> int | None:
        return self._req_token_expiration_sec

    @req_token_expiration_sec.setter
    def req_token_expiration_sec(self, seconds: int | None) -> None:
        self._req_token_expiration_sec = seconds

    def get_token_valid_period_sec(self) -> float:
        """How long the token is still valid, in seconds; 0 when it is not."""
        return max(0.0, self.token_expiration_sec - time.time())

    def refresh_token(self) -> None:
        """Obtain a new token."""
        self._set_token(self._do_refresh_token(self._raw_token, self._req_token_expiration_sec))

    @classmethod
    def get_decoded_token(cls, token: str) -> dict[str, Any]:
        """The claims of a token, unverified. Raises ValueError for what is no token."""
        return decoded_token(token)

    def _set_token(self, token: str | None) -> None:
        self._raw_token = token
        if token:
            self._token_history[token] = time.time()


def decoded_token(token: str) -> dict[str, Any]:
    """The claims of a token, unverified. Raises ValueError for what is no token."""
    claims = sessions.read_claims(token)
    if not claims:
        raise ValueError("this is no token: it has no claims that can be read")
    return claims
