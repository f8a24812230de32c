"""Tokens: signed, dated statements of who is calling. Pure; the signing key comes in.

A token is an HS256 JWT with the claims that official clients read without checking the signature: `exp`,
`api_version`, `server_version`, `feature_set`, `identity.user|role`. Ours are `cred` (the access key it came from:
revoking the key revokes its tokens), `epoch` (of the sessions of who logged in: a new password raises it), `actor` (who
acts for the user) and `claim` (the task that the bearer runs). Source: contract/wire.md, section 3.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from control_plane import __version__
from control_plane.services.context import Claim, Identity
from control_plane.services.errors import ApiError, unauthorized

API_VERSION = "2.31"
SERVER_VERSION = "2.0.0"
PACKED_EVENTS = 1
"""Newest version of packed event batches that we take (`event_packing`); official servers' tokens lack the claim."""
FEATURE_SET = "basic"
ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has been read and found good."""

    identity: Identity
    expires_at: float | None
    """Seconds since the epoch; None: never."""


def mint(identity: Identity, key: bytes, *, now: datetime, lifetime_s: float) -> str:
    """Sign a token for `identity`, good until `now + lifetime_s`."""
    claims: dict[str, Any] = {
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=lifetime_s)).timestamp()),
        "session_id": identity.session or secrets.token_hex(16),
        "auth_type": "Bearer",
        "api_version": API_VERSION,
        "server_version": SERVER_VERSION,
        "server_build": __version__,
        "feature_set": FEATURE_SET,
        "packed_events": PACKED_EVENTS,
        "identity": {
            "user": identity.user,
            "company": identity.company,
            "role": identity.role,
            "user_name": identity.user_name,
            "company_name": identity.company_name,
        },
    }
    if identity.credential:
        claims["cred"] = identity.credential
    if identity.epoch:
        claims["epoch"] = identity.epoch
    if identity.actor:
        claims["actor"] = identity.actor
    if identity.claim is not None:
        claim = identity.claim
        claims["claim"] = {"task": claim.task, "n": claim.number, "worker": claim.worker}
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def read(text: str, key: bytes) -> Token:
    """Check a token's signature and dates and return what it says; raise 401/30 with the reason."""
    try:
        claims = jwt.decode(text, key, algorithms=[ALGORITHM], options={"verify_iat": False, "verify_aud": False})
        who = claims["identity"]
        claim = claims.get("claim")
        identity = Identity(
            user=str(who["user"]),
            company=str(who["company"]),
            role=str(who["role"]),
            user_name=str(who.get("user_name") or ""),
            company_name=str(who.get("company_name") or ""),
            credential=str(claims.get("cred") or ""),
            claim=Claim(str(claim["task"]), int(claim["n"]), str(claim["worker"])) if claim else None,
            session=str(claims.get("session_id") or ""),
            epoch=int(claims.get("epoch") or 0),
            actor=str(claims.get("actor") or ""),
        )
    except jwt.PyJWTError as error:
        # The reason is about the token's form; it never repeats the token.
        raise unauthorized(30, "invalid jwt token", reason=str(error)) from None
    except (KeyError, TypeError, ValueError):
        raise unauthorized(30, "invalid jwt token", reason="it lacks claims of this server") from None
    expires = claims.get("exp")
    return Token(identity, float(expires) if expires is not None else None)


def split_basic(encoded: str) -> tuple[str, str]:
    """Key and secret of a Basic authorization; raise 401/22 when it cannot be read."""
    try:
        key, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise invalid_credentials() from None
    if not colon:
        raise invalid_credentials()
    return key, secret


def split_header(value: str) -> tuple[str, str]:
    """("basic" | "bearer", the rest) of an Authorization header; raise 401/10 for any other kind."""
    kind, _, rest = value.strip().partition(" ")
    if kind.lower() not in ("basic", "bearer") or not rest.strip() or not rest.isascii():
        raise unauthorized(10, "bad authentication header type")
    return kind.lower(), rest.strip()


def lifetime(asked_s: int | None, *, usual_s: int, longest_s: int) -> int:
    """The lifetime to give a token; 0, None and negative numbers mean the usual one."""
    if not asked_s or asked_s < 0:
        return usual_s
    return min(asked_s, longest_s)


def invalid_credentials(extra: str = "failed to locate provided credentials") -> ApiError:
    """401/22: a key or a user with a wrong secret, or none of that name; which of them is not said."""
    return ApiError(401, 22, "Unauthorized (invalid credentials)", extra)


def revoked(reason: str) -> ApiError:
    """401/30 for a token that was good and is not any more."""
    return unauthorized(30, "the credentials of this token were revoked", reason=reason)
