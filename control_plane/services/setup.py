"""What a server finds or makes when it starts: the company, the administrator, their key, the default queue, the
signing key of its tokens. Every replica does this; whoever is first makes it, and nothing is made twice.
"""

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from control_plane.services import credentials
from control_plane.settings import Settings
from control_plane.store.errors import GuardFailed

if TYPE_CHECKING:
    from control_plane.store import Store

_SIGNING_KEY = "signing_key"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An access key with its secret, as a client's configuration needs them."""

    access_key: str
    secret_key: str
    is_new: bool
    """True when this start made them."""


def administrator_id(company: str) -> str:
    """The id of the administrator that a first start makes; the same in every replica."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"administrator of {company}").hex


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, complete or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.touch(mode=0o600, exist_ok=False)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def local_signing_key(settings: Settings) -> bytes:
    """The key in the data directory, made at the first start; used with the embedded store."""
    path = settings.data_dir / "secret"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_hex(32).encode()
        write_private(path, key)
    if len(key) < 32:
        raise ValueError(f"{path} is damaged; remove it, and every token becomes invalid")
    path.chmod(0o600)
    return key


async def shared_signing_key(store: "Store") -> bytes:
    """The key that all replicas over one Redis share; whoever asks first makes it."""
    document = await store.get("setting", _SIGNING_KEY)
    if document is None:
        transaction = store.transaction()
        transaction.create("setting", _SIGNING_KEY, {"id": _SIGNING_KEY, "value": secrets.token_hex(32)})
        try:
            await transaction.commit()
        except GuardFailed:
            pass  # another replica was faster: its key is the one
        document = await store.get("setting", _SIGNING_KEY)
    assert document is not None
    return str(document["value"]).encode()


async def ensure_administrator(store: "Store", settings: Settings, now: datetime) -> str:
    """Make the company and its administrator where they are missing; return the administrator's id."""
    user = administrator_id(settings.company)
    created = now.isoformat(timespec="microseconds")
    await _create_once(
        store, "company", settings.company, {"id": settings.company, "name": settings.company_name, "created": created}
    )
    await _create_once(
        store,
        "user",
        user,
        {
            "id": user,
            "company": settings.company,
            "name": "admin",
            "given_name": "admin",
            "family_name": "",
            "role": "admin",
            "created": created,
            "preferences": {},
        },
    )
    return user


async def ensure_default_queue(store: "Store", settings: Settings, user: str, now: datetime) -> None:
    """Make the queue `default`, with the system tag that official clients look for, if no queue has it."""
    created = now.isoformat(timespec="microseconds")
    queue = uuid.uuid5(uuid.NAMESPACE_OID, f"default queue of {settings.company}").hex
    if await store.get("setting", "default_queue") is not None:
        return  # made once; whoever deleted it later meant it
    transaction = store.transaction()
    transaction.create("setting", "default_queue", {"id": "default_queue", "value": queue})
    transaction.claim_name("queue", settings.company, "default", queue)
    transaction.create(
        "queue",
        queue,
        {
            "id": queue,
            "company": settings.company,
            "user": user,
            "name": "default",
            "display_name": "",
            "tags": [],
            "system_tags": ["default"],
            "metadata": {},
            "created": created,
            "last_update": created,
        },
    )
    try:
        await transaction.commit()
    except GuardFailed:
        pass  # another replica was faster, or a queue of that name exists


async def ensure_administrator_key(store: "Store", settings: Settings, user: str, now: datetime) -> KeyPair:
    """The administrator's key of this data directory, made at its first start and known to the store.

    One that was revoked is replaced by a new one: whoever can read the data directory is the administrator.
    """
    path = key_file(settings)
    pair = read_pair(path)
    known = await store.get("credential", pair[0]) if pair else None
    if known is not None and credentials.problem(known, now.timestamp()):
        pair = known = None
    is_new = pair is None
    if pair is None:
        pair = credentials.new_pair()
        # The file first: a key that the store knows and nobody else does would be lost.
        keep_pair(path, pair)
    if known is None:
        transaction = store.transaction()
        credentials.add(transaction, user, now, label="administrator", pair=pair, kept=True)
        try:
            await transaction.commit()
        except GuardFailed:
            pass  # another process with the same data directory was faster
    elif not hmac.compare_digest(str(known.get("secret")), credentials.hash_secret(*pair)):
        raise ValueError(f"{path} does not match the store; remove it to make a new key")
    return KeyPair(*pair, is_new=is_new)


def key_file(settings: Settings) -> Path:
    """Where the administrator's key of a data directory lies."""
    return settings.data_dir / "credentials.json"


def keep_pair(path: Path, pair: tuple[str, str]) -> None:
    """Write the administrator's key into its file."""
    body = {"access_key": pair[0], "secret_key": pair[1]}
    write_private(path, orjson.dumps(body, option=orjson.OPT_INDENT_2))


def read_pair(path: Path) -> tuple[str, str] | None:
    """The key in a data directory's file, None where there is none; raise ValueError for a damaged one."""
    try:
        body: dict[str, Any] = orjson.loads(path.read_bytes())
        return str(body["access_key"]), str(body["secret_key"])
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged; remove it to make a new key") from None


async def _create_once(store: "Store", kind: str, id: str, document: dict[str, Any]) -> None:
    if await store.get(kind, id) is not None:
        return
    transaction = store.transaction()
    transaction.create(kind, id, document)
    try:
        await transaction.commit()
    except GuardFailed:
        pass  # another replica was faster
