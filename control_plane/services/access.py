"""Who is calling: what a request carries, turned into an identity, and what a process remembers of it.

    a key with its secret      `services.credentials` makes them; revoked and expired ones count for nothing
    a user with a password     `services.passwords`
    a token                    signed by us, from one of the two; `services.tokens`

Secrets of keys are random strings of more than 300 bits made here, so one SHA-256 is a sound way to keep them: there
is nothing to guess, and a slow hash would only slow every login. They are compared in constant time.

A token is good until it expires, its key is revoked or expires, its session is ended, or its user is deleted. What was
found good is believed for a moment: another replica's revocation is seen within a second, this process's own at once.
A change of a user's role counts as soon.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from control_plane.services import credentials, roles, tokens
from control_plane.services.context import Claim, Identity
from control_plane.services.errors import ApiError, unauthorized
from control_plane.services.guesses import Guesses
from control_plane.services.passwords import Passwords
from control_plane.services.uses import Uses

if TYPE_CHECKING:
    from control_plane.settings import Settings
    from control_plane.store import Store

RECHECK_S = 0.5
"""How long a token that was found good is believed, and how long a key or a user that was read: many tokens come from
one key. A token may be checked by a key that was read just so long ago, hence half of what is promised."""
REMEMBERED = 10_000
"""Tokens and keys that a process remembers; beyond it forgets all and asks again."""

USER_FACTS = ("name", "role", "_epoch")
"""What is read of a user to let them in."""


@dataclass(slots=True)
class _Known:
    identity: Identity
    expires_at: float
    checked_at: float
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Access:
    """Turns what a request carries into an Identity, and mints tokens."""

    def __init__(self, store: "Store", key: bytes, settings: "Settings", clock: Callable[[], datetime]) -> None:
        self._store, self._key, self._settings, self._clock = store, key, settings, clock
        self._tokens: dict[str, _Known] = {}
        self._pairs: dict[str, _Known] = {}
        self._documents: dict[tuple[str, str], tuple[float, dict[str, Any] | None]] = {}
        self._forgotten = 0
        """How often `forget` was called: what was read before is not remembered after."""
        self.passwords = Passwords()
        self.uses = Uses(store)
        self.guesses = Guesses.allowing(settings.wrong_passwords_per_min)

    # ---- who is calling

    async def by_basic(self, encoded: str, address: str = "") -> Identity:
        """The identity behind `base64(key:secret)` or `base64(user:password)`; raise 401/22 when it is none."""
        # The pair itself is never kept as text, not even in memory: a digest identifies it.
        digest = hashlib.sha256(encoded.encode()).hexdigest()
        now = self._clock().timestamp()
        known = self._pairs.get(digest)
        if known is not None and _is_fresh(known.checked_at, now):
            return known.identity
        name, secret = tokens.split_basic(encoded)
        forgotten = self._forgotten
        self._pairs.pop(digest, None)
        if credentials.looks_like_key(name):
            self.guesses.check_address(address)
            try:
                identity = await self._by_key(name, secret, now)
            except ApiError:
                self.guesses.wrong_key(address)
                raise
            self.uses.note(name, now, address)
        else:
            identity = await self._by_password(name, secret, address)
        if forgotten == self._forgotten:
            _remember(self._pairs, digest, _Known(identity, float("inf"), now))
        return identity

    async def _by_key(self, access_key: str, secret_key: str, now: float) -> Identity:
        if access_key == self.door_pair()[0]:
            return self._by_door(secret_key)
        credential = await self._read("credential", access_key, now, fresh=True)
        given = credentials.hash_secret(access_key, secret_key)
        stored = str((credential or {}).get("secret"))
        if not hmac.compare_digest(stored, given) or credential is None:
            raise tokens.invalid_credentials()
        problem = credentials.problem(credential, now)
        if problem:
            raise tokens.invalid_credentials(problem)
        user = await self._read("user", str(credential["user"]), now)
        if user is None:
            raise tokens.invalid_credentials("their user no longer exists")
        return self.identity_from(user, credential)

    async def _by_password(self, name: str, password: str, address: str) -> Identity:
        name = login_name(name)

        def admit() -> None:
            self.guesses.check(name, address)

        admit()
        id = await self._store.id_by_name("user", self._settings.company, name) if name else None
        user = await self._store.get("user", id, [*USER_FACTS, "_password"]) if id else None
        if not await self.passwords.is_right((user or {}).get("_password"), password, admit=admit) or user is None:
            self.guesses.wrong(name, address)
            raise tokens.invalid_credentials()
        return self.identity_from(user)

    async def by_token(self, text: str, address: str = "") -> Identity:
        """The identity that a token states; raise 401/30 when it is forged, over, or was revoked."""
        now = self._clock().timestamp()
        known = self._tokens.get(text)
        if known is None:
            token = tokens.read(text, self._key)
            known = _Known(token.identity, token.expires_at or float("inf"), 0.0)
        if known.expires_at <= now:
            self._tokens.pop(text, None)
            raise unauthorized(30, "invalid jwt token", reason="Signature has expired")
        if not _is_fresh(known.checked_at, now):
            async with known.checking:  # one call asks the store; those that came meanwhile take its answer
                if not _is_fresh(known.checked_at, now):
                    await self._recheck(text, known, now)
            if known.identity.credential:
                self.uses.note(known.identity.credential, now, address)
        return known.identity

    async def _recheck(self, text: str, known: _Known, now: float) -> None:
        forgotten = self._forgotten
        known.identity = await self._checked(known.identity, now)
        if forgotten == self._forgotten:
            known.checked_at = now
            _remember(self._tokens, text, known)

    async def _checked(self, identity: Identity, now: float) -> Identity:
        """The identity with the role that its user and its key have now; raise 401/30 when it is over."""
        if identity.company != self._settings.company:
            raise unauthorized(30, "invalid jwt token", reason="it belongs to another company")
        user = await self._read("user", identity.user, now)
        if user is None:
            raise tokens.revoked("the user no longer exists")
        came = user
        if identity.actor:
            came = await self._read("user", identity.actor, now) or {}
            if came.get("role") not in roles.IMPERSONATORS:
                raise tokens.revoked("who acted for the user may not any more")
        role = str(user.get("role") or "user")
        is_door = identity.credential == self.door_pair()[0]
        if is_door and self._settings.login != "names":
            raise tokens.revoked("names cannot be picked any more")
        if identity.credential and not is_door:
            credential = await self._read("credential", identity.credential, now)
            problem = "revoked" if credential is None else credentials.problem(credential, now)
            if problem or credential is None:
                raise tokens.revoked(problem)
            if not identity.actor:
                role = roles.lesser(role, str(credential.get("role") or role))
        elif int(came.get("_epoch") or 0) != identity.epoch:
            raise tokens.revoked("the user's sessions were ended")
        if identity.claim is None and identity.session and await self._store.sessions.is_over(identity.session):
            raise tokens.revoked("logged out")
        return identity if role == identity.role else replace(identity, role=role)

    async def _read(self, kind: str, id: str, now: float, *, fresh: bool = False) -> dict[str, Any] | None:
        """A user's or a key's document, at most `RECHECK_S` old."""
        found = self._documents.get((kind, id))
        if found is not None and _is_fresh(found[0], now) and not fresh:
            return found[1]
        forgotten = self._forgotten
        document = await self._store.get(kind, id, USER_FACTS if kind == "user" else credentials.FACTS)
        if len(self._documents) >= REMEMBERED:
            self._documents.clear()
        if forgotten == self._forgotten:
            self._documents[kind, id] = (now, document)
        return document

    # ---- the page's door

    def door_pair(self) -> tuple[str, str]:
        """The page's own key where the server lets people pick a name; public then, and good for nothing else.

        It follows from the signing key, so replicas share it and nothing is stored.
        """
        digest = hmac.new(self._key, b"the page where people pick a name", hashlib.sha256).hexdigest()
        return f"PAGE{digest[:16].upper()}", digest[16:]

    def _by_door(self, secret_key: str) -> Identity:
        is_right = hmac.compare_digest(self.door_pair()[1].encode(), secret_key.encode())
        if not is_right or self._settings.login != "names":
            raise tokens.invalid_credentials()
        return self.identity_from({"id": "", "role": roles.DOOR, "name": "page"}, {"id": self.door_pair()[0]})

    # ---- tokens

    def identity_from(self, user: dict[str, Any], credential: dict[str, Any] | None = None) -> Identity:
        """The identity of a user who came with a key (None: with a password)."""
        role = str(user.get("role") or "user")
        if credential is not None:
            role = roles.lesser(role, str(credential.get("role") or role))
        return Identity(
            user=str(user["id"]),
            company=self._settings.company,
            role=role,
            user_name=str(user.get("name") or ""),
            company_name=self._settings.company_name,
            credential=str(credential["id"]) if credential is not None else "",
            epoch=int(user.get("_epoch") or 0),
        )

    def mint(self, identity: Identity, expiration_s: int | None = None) -> str:
        """A token for `identity`, its claim included; None means the usual lifetime."""
        life = tokens.lifetime(
            expiration_s, usual_s=self._settings.token_lifetime_s, longest_s=self._settings.token_lifetime_max_s
        )
        return tokens.mint(identity, self._key, now=self._clock(), lifetime_s=life)

    def mint_claim(self, identity: Identity, claim: Claim) -> str:
        """The token of the process that runs a claimed task: its writes to that task are fenced by the claim."""
        return self.mint(replace(identity, claim=claim, session=""))

    def read(self, text: str) -> Identity | None:
        """What a token states, without asking the store; None when it is not good."""
        try:
            token = tokens.read(text, self._key)
        except ApiError:
            return None
        return token.identity

    async def end_session(self, identity: Identity) -> None:
        """Log out: the tokens of this session end, here at once."""
        if identity.session and identity.claim is None:
            await self._store.sessions.end(identity.session, self._settings.token_lifetime_max_s)
            self.forget()

    def forget(self) -> None:
        """Ask the store again about everybody; called after a revocation."""
        self._forgotten += 1
        self._tokens.clear()
        self._pairs.clear()
        self._documents.clear()


def login_name(name: str) -> str:
    """The form of a user's name by which they log in: case does not count."""
    return name.strip().casefold()


def _is_fresh(checked_at: float, now: float) -> bool:
    """Whether what was found then is believed still; not after the clock was set back, for it may be long ago."""
    return abs(now - checked_at) < RECHECK_S


def _remember(cache: dict[str, _Known], name: str, known: _Known) -> None:
    if len(cache) >= REMEMBERED:
        cache.clear()
    cache[name] = known
