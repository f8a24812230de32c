"""Who may call: keys with hashed secrets, tokens, and what a process remembers of both.

Secrets are random strings of 256 bits made here, so one SHA-256 is a sound way to keep them: there is nothing to
guess, and a slow hash would only slow every login. They are compared in constant time.

A token is good until it expires or its access key is revoked. Another replica's revocation is seen within
`RECHECK_S`; this process's own at once.
"""

import hashlib
import hmac
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from control_plane.services import tokens
from control_plane.services.context import Claim, Identity
from control_plane.services.errors import ApiError, unauthorized

if TYPE_CHECKING:
    from control_plane.settings import Settings
    from control_plane.store import Store

RECHECK_S = 1.0
"""How long a credential that was found good is believed before the store is asked again."""
REMEMBERED = 10_000
"""Tokens and keys that a process remembers; beyond it forgets all and asks again."""

_ALPHABET = string.ascii_uppercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True)
class _Known:
    identity: Identity
    expires_at: float
    checked_at: float


def hash_secret(access_key: str, secret_key: str) -> str:
    """What is stored of a secret; the key is mixed in so that equal secrets do not look equal."""
    return hashlib.sha256(f"clearml-lean\0{access_key}\0{secret_key}".encode()).hexdigest()


def new_key_pair() -> tuple[str, str]:
    """A fresh access key and secret; about 155 and 357 bits."""
    access = "".join(secrets.choice(_ALPHABET) for _ in range(30))
    secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(60))
    return access, secret


class Access:
    """Turns what a request carries into an Identity, and makes and revokes credentials."""

    def __init__(self, store: "Store", key: bytes, settings: "Settings", clock: Callable[[], datetime]) -> None:
        self._store, self._key, self._settings, self._clock = store, key, settings, clock
        self._tokens: dict[str, _Known] = {}
        self._pairs: dict[str, _Known] = {}

    async def by_basic(self, encoded: str) -> Identity:
        """The identity behind `base64(key:secret)`; raise 401/22 when the pair is unknown or wrong."""
        # The pair itself is never kept as text, not even in memory: a digest identifies it.
        digest = hashlib.sha256(encoded.encode()).hexdigest()
        now = self._clock().timestamp()
        known = self._pairs.get(digest)
        if known is not None and now - known.checked_at < RECHECK_S:
            return known.identity
        access_key, secret_key = tokens.split_basic(encoded)
        credential = await self._store.get("credential", access_key) if access_key else None
        given = hash_secret(access_key, secret_key)
        if credential is None or not hmac.compare_digest(str(credential.get("secret")), given):
            self._pairs.pop(digest, None)
            raise unauthorized(22, "invalid credentials")
        identity = await self._identity_of(str(credential["user"]), access_key)
        _remember(self._pairs, digest, _Known(identity, float("inf"), now))
        return identity

    async def by_token(self, text: str) -> Identity:
        """The identity that a token states; raise 401/30 when it is forged, over, or its key was revoked."""
        now = self._clock().timestamp()
        known = self._tokens.get(text)
        if known is None:
            token = tokens.read(text, self._key)
            known = _Known(token.identity, token.expires_at or float("inf"), 0.0)
        if known.expires_at <= now:
            self._tokens.pop(text, None)
            raise unauthorized(30, "invalid jwt token", reason="Signature has expired")
        if now - known.checked_at >= RECHECK_S:
            await self._check(known.identity)
            known.checked_at = now
            _remember(self._tokens, text, known)
        return known.identity

    async def _check(self, identity: Identity) -> None:
        if identity.company != self._settings.company:
            raise unauthorized(30, "invalid jwt token", reason="it belongs to another company")
        if identity.credential and await self._store.get("credential", identity.credential) is None:
            raise tokens.revoked()

    async def _identity_of(self, user: str, access_key: str) -> Identity:
        document = await self._store.get("user", user)
        if document is None:
            raise unauthorized(22, "invalid credentials", reason="their user no longer exists")
        return self.identity_from(document, access_key)

    def identity_from(self, user: dict[str, Any], access_key: str = "") -> Identity:
        """The identity of a user document."""
        return Identity(
            user=str(user["id"]),
            company=self._settings.company,
            role=str(user.get("role") or "user"),
            user_name=str(user.get("name") or ""),
            company_name=self._settings.company_name,
            credential=access_key,
        )

    def mint(self, identity: Identity, expiration_s: int | None = None) -> str:
        """A token for `identity`, its claim included; None means the usual lifetime."""
        life = tokens.lifetime(
            expiration_s, usual_s=self._settings.token_lifetime_s, longest_s=self._settings.token_lifetime_max_s
        )
        return tokens.mint(identity, self._key, now=self._clock(), lifetime_s=life)

    def mint_claim(self, identity: Identity, claim: Claim) -> str:
        """The token of the process that runs a claimed task: its writes to that task are fenced by the claim."""
        return self.mint(replace(identity, claim=claim))

    def read(self, text: str) -> Identity | None:
        """What a token states, without asking the store; None when it is not good."""
        try:
            token = tokens.read(text, self._key)
        except ApiError:
            return None
        return token.identity

    async def create_pair(self, user: str, label: str | None, *, pair: tuple[str, str] | None = None) -> dict[str, Any]:
        """Make credentials of a user; the answer is the only place where the secret is ever seen."""
        access_key, secret_key = pair or new_key_pair()
        now = self._clock().isoformat(timespec="microseconds")
        stored = {
            "id": access_key,
            "user": user,
            "label": label or "",
            "secret": hash_secret(access_key, secret_key),
            "created": now,
        }
        transaction = self._store.transaction()
        transaction.create("credential", access_key, stored)
        await transaction.commit()
        return {"access_key": access_key, "secret_key": secret_key, "label": label or ""}

    def forget(self) -> None:
        """Ask the store again about everybody; called after a revocation."""
        self._tokens.clear()
        self._pairs.clear()


def _remember(cache: dict[str, _Known], name: str, known: _Known) -> None:
    if len(cache) >= REMEMBERED:
        cache.clear()
    cache[name] = known
