"""Keys: an access key and a secret of a user, perhaps with less than the user's role and with an end.

    credential     id (the access key), user, label, secret (hashed), created; role, expires, last_used, last_used_from

The secret is seen once, in the answer of the call that makes it. A key that a server keeps in its data directory
(`kept`) leaves a note when it is revoked: it must not come back at the next start.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from control_plane.store import Store, Transaction

_ALPHABET = string.ascii_uppercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits
_KEY = re.compile(r"[A-Z0-9]{20,}", re.ASCII)

FACTS = ("user", "secret", "role", "expires", "revoked")
"""What is read of a key to let somebody in."""


def hash_secret(access_key: str, secret_key: str) -> str:
    """What is stored of a secret; the key is mixed in so that equal secrets do not look equal."""
    return hashlib.sha256(f"clearml-lean\0{access_key}\0{secret_key}".encode()).hexdigest()


def new_pair() -> tuple[str, str]:
    """A fresh access key and secret; about 155 and 357 bits."""
    access = "".join(secrets.choice(_ALPHABET) for _ in range(30))
    secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(60))
    return access, secret


def looks_like_key(name: str) -> bool:
    """True for what can only be an access key: no user who logs in with a password has such a name."""
    return _KEY.fullmatch(name) is not None


def problem(credential: Mapping[str, Any], now: float) -> str:
    """Why a key is not good at a time, in s since the epoch; empty when it is."""
    if credential.get("revoked"):
        return "revoked"
    expires = credential.get("expires")
    return "expired" if expires and datetime.fromisoformat(expires).timestamp() <= now else ""


def shown(credential: Mapping[str, Any]) -> dict[str, Any]:
    """What lists tell of a key."""
    names = ("label", "created", "last_used", "last_used_from", "role", "expires")
    return {"access_key": credential["id"], **{name: credential.get(name) for name in names}}


def add(
    transaction: "Transaction",
    user: str,
    now: datetime,
    *,
    label: str = "",
    role: str | None = None,
    expires: str | None = None,
    pair: tuple[str, str] | None = None,
    kept: bool = False,
) -> dict[str, Any]:
    """Make a key with a transaction; the answer is the only place where the secret is ever seen.

    Args:
        role: what the key may do at most; None = what its user may.
        expires: when it ends, an ISO time; None = never.
        pair: a key and secret that exist already.
        kept: it lies in a server's data directory.
    """
    access_key, secret_key = pair or new_pair()
    stored: dict[str, Any] = {
        "id": access_key,
        "user": user,
        "label": label,
        "secret": hash_secret(access_key, secret_key),
        "created": now.isoformat(timespec="microseconds"),
        "role": role,
        "expires": expires,
        "kept": kept or None,
    }
    transaction.create("credential", access_key, stored)
    answer = {"access_key": access_key, "secret_key": secret_key, "label": label}
    return answer | {name: value for name, value in (("role", role), ("expires", expires)) if value}


def remove(transaction: "Transaction", credential: Mapping[str, Any], now: datetime) -> None:
    """Revoke a key with a transaction."""
    if credential.get("kept"):
        when = now.isoformat(timespec="microseconds")
        transaction.set("credential", credential["id"], {"revoked": when, "secret": None})
    else:
        transaction.delete("credential", credential["id"])


async def listed(store: "Store", user: str | None = None) -> list[dict[str, Any]]:
    """The keys of a user (None: of everybody) that were not revoked, oldest first, as stored."""
    found = await store.get_many("credential", await store.ids("credential"))
    keys = [key for key in found if key is not None and not key.get("revoked") and user in (None, key.get("user"))]
    return sorted(keys, key=lambda key: (str(key.get("created")), key["id"]))
