"""What makes two jobs the same, so that one that completed can stand for the other."""

from __future__ import annotations

import hashlib
import json

from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

HASH = "pipeline_job_hash"
"""Key of a job's runtime that holds its hash."""

ARTIFACTS = "kwargs_artifacts"
"""Section of parameters whose values name artifacts: `<task id>.<artifact>`."""

_CODE = ("repository", "branch", "version_num", "working_dir", "entry_point", "diff", "binary", "tag")
_IGNORED_SECTIONS = ("properties", "return", "Environment")


def described(fields: Mapping[str, Any], artifact_hashes: Mapping[str, str]) -> dict[str, Any]:
    """What counts: code (without packages), parameters, configurations, container; artifacts by their content. Pure."""
    values: dict[str, Any] = {}
    for section, entries in (fields.get("hyperparams") or {}).items():
        if section in _IGNORED_SECTIONS:
            continue
        for name, entry in entries.items():
            value = entry.get("value")
            values[f"{section}/{name}"] = artifact_hashes.get(value, value) if section == ARTIFACTS else value
    script = fields.get("script") or {}
    return {
        "script": {key: script.get(key) or "" for key in _CODE},
        "hyper_params": values,
        "configurations": {name: entry.get("value") for name, entry in (fields.get("configuration") or {}).items()},
        "docker": {key: value for key, value in (fields.get("container") or {}).items() if value},
    }


def digest(description: Mapping[str, Any]) -> str:
    """md5 of a description, whatever the order of its keys."""
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def artifact_hashes(session: Session, fields: Mapping[str, Any]) -> dict[str, str]:
    """`<task id>.<artifact>` -> hash of the file, for the artifacts that the parameters name and that exist."""
    named = [str(entry.get("value") or "") for entry in (fields.get("hyperparams") or {}).get(ARTIFACTS, {}).values()]
    wanted = [(text, *text.split(".", 1)) for text in named if "." in text]
    if not wanted:
        return {}
    body = {"id": sorted({task for _, task, _ in wanted}), "only_fields": ["id", "execution.artifacts"]}
    tasks = session.call("tasks.get_all", {**body, "search_hidden": True}).get("tasks") or []
    found: dict[str, str] = {}
    for task in tasks:
        for artifact in (task.get("execution") or {}).get("artifacts") or []:
            if artifact.get("hash"):
                found[f"{task['id']}.{artifact['key']}"] = str(artifact["hash"])
    return {text: found[text] for text, _, _ in wanted if text in found}


def job_hash(
    session: Session, fields: Mapping[str, Any], rewrite: Callable[[dict[str, Any]], dict[str, Any]] | None
) -> str:
    """The hash of a job with these fields; `rewrite` is the user's say in what counts."""
    description = described(fields, artifact_hashes(session, fields))
    return digest(rewrite(description) if rewrite else description)


def find_completed(session: Session, hash_: str) -> str | None:
    """The task that completed last, of those with this hash that are not archived; None when there is none."""
    body = {
        "_all_": {"fields": [f"runtime.{HASH}"], "pattern": f"^{hash_}$"},
        "status": ["completed", "published"],
        "system_tags": ["-archived"],
        "order_by": ["-last_update"],
        "only_fields": ["id"],
        "search_hidden": True,
        "page": 0,
        "page_size": 1,
    }
    found = session.call("tasks.get_all", body).get("tasks") or []
    return str(found[0]["id"]) if found else None
