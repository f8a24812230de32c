"""Which driver, credentials and options a URL of object storage needs: as the script or else the configuration says.

Pure but for the list that `use` adds to. Contract: config_surface.json, `sdk.aws.s3`, `sdk.google.storage`,
`sdk.azure.storage`.
"""

from __future__ import annotations

import json
import os

from clearml_sdk.storage.errors import StorageRefused
from clearml_sdk.storage.urls import scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Entry = Mapping[str, Any]

DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "azure": "adlfs"}
"""Scheme -> the package that knows it."""
AZURE_HOST = ".blob.core.windows.net"

_given: dict[str, list[dict[str, Any]]] = {}


def use(scheme: str, entry: dict[str, Any]) -> None:
    """Use these credentials in this process, over those of the configuration and those given before."""
    _given.setdefault(scheme, []).insert(0, entry)


class Place:
    """Where a URL leads: the driver's protocol and options, and the path as the driver spells it."""

    def __init__(self, protocol: str, options: dict[str, Any], path: str) -> None:
        self.protocol, self.options, self.path = protocol, options, path


def place_of(url: str, config: Mapping[str, Any], given: Mapping[str, Sequence[Entry]] | None = None) -> Place:
    """The place of a URL by the `sdk` section of the configuration. Raises StorageRefused for a URL without a bucket.

    given: credentials that go before the configuration's; None: those of `use`.
    """
    scheme = scheme_of(url)
    entries = (_given if given is None else given).get(scheme) or []
    rest = url.partition("://")[2].strip("/")
    if scheme == "s3":
        return _s3(url, rest, _section(config, "aws", "s3"), _section(config, "aws", "boto3"), entries)
    if scheme == "gs":
        return _google(url, rest, _section(config, "google", "storage"), entries)
    return _azure(url, rest, _section(config, "azure", "storage"), entries)


def _s3(url: str, rest: str, section: Entry, driver: Entry, given: Sequence[Entry]) -> Place:
    host, path = _split_host(rest)
    bucket, _, key_path = path.partition("/")
    if not bucket:
        raise StorageRefused(url, "name a bucket: s3://bucket/..., or s3://host:port/bucket/...")
    entry = _chosen([*given, *(section.get("credentials") or [])], bucket, key_path, host)
    found = {**{name: section.get(name) for name in ("key", "secret", "token", "region", "profile")}, **_set(entry)}
    client: dict[str, Any] = {}
    options: dict[str, Any] = {
        "config_kwargs": {
            "connect_timeout": driver.get("connect_timeout") or 60,
            "read_timeout": driver.get("read_timeout") or 60,
        },
        "max_concurrency": int(driver.get("max_multipart_concurrency") or 16),
    }
    by_machine = found.get("use_credentials_chain") or section.get("use_credentials_chain")
    if found.get("key") and not by_machine:
        options.update(key=found["key"], secret=found.get("secret") or "")
        if found.get("token"):
            options["token"] = found["token"]
    if found.get("profile"):
        options["profile"] = found["profile"]
    if found.get("region"):
        client["region_name"] = found["region"]
    verify = found.get("verify", section.get("verify"))
    if verify is not None and verify is not True:
        client["verify"] = verify
    secure = bool(found.get("secure", section.get("secure", True)))
    if host:
        client["endpoint_url"] = f"{'https' if secure else 'http'}://{host}"
    if driver.get("signature_version"):
        options["config_kwargs"]["signature_version"] = driver["signature_version"]
    extra = {**(section.get("extra_args") or {}), **(found.get("extra_args") or {})}
    if found.get("acl"):
        extra["ACL"] = found["acl"]
    if extra:
        options["s3_additional_kwargs"] = extra
    return Place("s3", {**options, "client_kwargs": client}, path)


def _google(url: str, rest: str, section: Entry, given: Sequence[Entry]) -> Place:
    bucket, _, path = rest.partition("/")
    if not bucket:
        raise StorageRefused(url, "name a bucket: gs://bucket/...")
    entry = _chosen([*given, *(section.get("credentials") or [])], bucket, path, None)
    found = {**{name: section.get(name) for name in ("project", "credentials_json")}, **_set(entry)}
    options: dict[str, Any] = {}
    if found.get("project"):
        options["project"] = found["project"]
    if found.get("credentials_json"):
        options["token"] = _service_account(str(found["credentials_json"]))
    elif os.environ.get("STORAGE_EMULATOR_HOST"):
        options["token"] = "anon"
    return Place("gs", options, rest)


def _azure(url: str, rest: str, section: Entry, given: Sequence[Entry]) -> Place:
    host, _, path = rest.partition("/")
    container = path.partition("/")[0]
    account = host.removesuffix(AZURE_HOST)
    if not account or not container:
        raise StorageRefused(url, f"name an account and a container: azure://account{AZURE_HOST}/container/...")
    entries = [*given, *(section.get("containers") or [])]
    mine = [entry for entry in entries if entry.get("account_name") == account]
    exact = [entry for entry in mine if entry.get("container_name") == container]
    found: Entry = next(iter([*exact, *(entry for entry in mine if not entry.get("container_name"))]), {})
    options: dict[str, Any] = {"account_name": account}
    if found.get("account_key"):
        options["account_key"] = found["account_key"]
    else:
        options["anon"] = False  # as this machine is logged in
    return Place("abfs", options, path)


def _section(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    node: Any = config
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return dict(node) if isinstance(node, dict) else {}


def _split_host(rest: str) -> tuple[str | None, str]:
    """(host with its port, path): a first part with a port is a host, as no bucket has a colon."""
    first, _, path = rest.partition("/")
    return (first, path) if ":" in first else (None, rest)


def _chosen(entries: Sequence[Entry], bucket: str, path: str, host: str | None) -> dict[str, Any]:
    """The entry that names this place most exactly, the first of equals; {} where none does."""
    best: dict[str, Any] = {}
    best_rank = (-1, -1)
    for entry in entries:
        own_bucket, _, below = str(entry.get("bucket") or "").strip("/").partition("/")
        subdir = str(entry.get("subdir") or below).strip("/")
        if (entry.get("host") or None) != host or own_bucket not in ("", bucket):
            continue
        if subdir and not f"{path}/".startswith(f"{subdir}/"):
            continue
        rank = (bool(own_bucket), len(subdir))
        if rank > best_rank:
            best, best_rank = dict(entry), rank
    return best


def _set(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None and value != ""}


def _service_account(text: str) -> Any:
    """What the driver takes: the path of a file, or the account itself."""
    return json.loads(text) if text.lstrip().startswith("{") else os.path.expanduser(text)
