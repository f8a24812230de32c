"""Who may do what: one table, role x use, and what use every endpoint is. Pure.

                    session personal own read run serve write administer
    admin *            x       x      x   x    x    x     x       x
    user, annotator    x       x      x   x    x    x     x
    agent              x                  x    x    x
    read-only, guest   x       x          x
    a task's token     x                  x    x          x              and no more than its agent's role

    * and superuser, root, system

The names are those of official servers, and two of ours (agent, read-only). A key may have a role of its own: the
lesser of it and its user's counts. An endpoint without a row below is the administrators': a new one fails closed,
and a test names it.
"""

from collections.abc import Mapping
from enum import StrEnum

from control_plane.services.context import Identity
from control_plane.services.errors import forbidden

MIB = 1024 * 1024


class Use(StrEnum):
    """What calling an endpoint amounts to."""

    OPEN = "open"
    """Needs no credentials."""
    SESSION = "session"
    """Begins, ends and describes the caller's own session."""
    PERSONAL = "personal"
    """Changes what nobody else sees: the page's preferences, one's own password."""
    OWN = "own"
    """Changes one's own credentials and profile."""
    READ = "read"
    """Reads what everybody shares."""
    RUN = "run"
    """Writes what running a task takes: its agent and its code make tasks, models, queues, events; they delete none."""
    SERVE = "serve"
    """Takes tasks from queues."""
    WRITE = "write"
    """Every other change of what everybody shares."""
    ADMINISTER = "administer"
    """Users, other people's credentials, the server's own settings."""


ADMINISTRATORS = frozenset({"system", "root", "admin", "superuser"})
"""Roles that may manage users and their credentials."""
IMPERSONATORS = frozenset({"system", "root", "admin"})
"""Roles that may act for another user."""
DOOR = "door"
"""The role of the page's own key, where the server lets people pick a name: it can list names and open a session."""

_EVERYTHING = frozenset(Use)
_USER = _EVERYTHING - {Use.ADMINISTER}
_READER = frozenset({Use.OPEN, Use.SESSION, Use.PERSONAL, Use.READ})
RIGHTS: Mapping[str, frozenset[Use]] = {
    **dict.fromkeys(ADMINISTRATORS, _EVERYTHING),
    "user": _USER,
    "annotator": _USER,
    "agent": frozenset({Use.OPEN, Use.SESSION, Use.READ, Use.RUN, Use.SERVE}),
    "read-only": _READER,
    "guest": _READER,
}
"""What each role may do; a role that is not here may do nothing."""
CLAIM = frozenset({Use.OPEN, Use.SESSION, Use.READ, Use.RUN, Use.WRITE})
"""What the token of a running task may do, as far as its role may. Its code deletes and merges for its user (clean-up
services do), but it takes no other tasks and makes no credentials."""
_DOOR_OPENS = frozenset({"auth.login", "auth.create_user", "users.get_all", "users.get_all_ex"})

_RANK = {**dict.fromkeys(ADMINISTRATORS, 4), "user": 3, "annotator": 3, "agent": 2, "read-only": 1, "guest": 1, DOOR: 0}


_ENDPOINTS: Mapping[Use, Mapping[str, str]] = {
    Use.OPEN: {"auth": "fixed_users_mode", "debug": "ping", "login": "logout supported_modes", "server": "info"},
    Use.SESSION: {
        "auth": "login logout validate_token",
        "debug": "echo ping_auth",
        "users": "get_current_user get_preferences",
    },
    Use.PERSONAL: {"auth": "get_credentials revoke_sessions set_password", "users": "set_preferences"},
    Use.OWN: {
        "auth": "create_credentials edit_credentials revoke_credentials rotate_credentials",
        "users": "update",
    },
    Use.READ: {
        "events": "clear_scroll debug_images download_task_log follow get_debug_image_sample get_multi_task_metrics"
        " get_multi_task_plots get_plot_sample get_scalar_metric_data get_scalar_metrics_and_variants"
        " get_task_events get_task_latest_scalar_values get_task_log get_task_metrics get_task_plots"
        " get_task_single_value_metrics get_vector_metrics_and_variants multi_task_scalar_metrics_iter_histogram"
        " next_debug_image_sample next_plot_sample plots scalar_metrics_iter_histogram scalar_metrics_iter_raw"
        " vector_metrics_iter_histogram",
        "models": "get_all get_all_ex get_by_id get_by_id_ex get_by_task_id get_frameworks",
        "organization": "download_for_get_all follow get_entities_count get_tags get_user_companies"
        " prepare_download_for_get_all",
        "projects": "get_all get_all_ex get_by_id get_hyper_parameters get_hyperparam_values"
        " get_model_metadata_keys get_model_metadata_values get_model_tags get_project_tags get_task_parents"
        " get_task_tags get_unique_metric_variants get_user_names validate_delete",
        "queues": "get_all get_all_ex get_by_id get_default get_num_entries get_queue_metrics peek_task",
        "reports": "get_all_ex get_tags get_task_data",
        "server": "report_stats_option",
        "serving": "get_endpoint_details get_endpoint_metrics_history get_endpoints get_loading_instances",
        "tasks": "get_all get_all_ex get_by_id get_by_id_ex get_configuration_names get_configurations"
        " get_history get_hyper_params get_operations_log get_types validate wait",
        "users": "get_all get_all_ex get_by_id",
        "workers": "get_activity_report get_all get_count get_metric_keys get_runtime_properties get_stats",
    },
    Use.RUN: {
        "agents": "release",
        "events": "add add_batch",
        "models": "add_or_update_metadata archive_many create delete_metadata edit move publish_many set_ready"
        " unarchive_many update update_for_task update_tags",
        "pipelines": "start_pipeline",
        "projects": "create update",
        "queues": "add_task create remove_task",
        "serving": "container_status_report register_container unregister_container",
        "tasks": "add_or_update_artifacts add_or_update_model archive archive_many clone close completed create"
        " delete_artifacts delete_configuration delete_hyper_params delete_models dequeue dequeue_many edit"
        " edit_configuration edit_hyper_params enqueue enqueue_many failed move ping publish publish_many reset"
        " reset_many set_requirements started stop stop_many stopped unarchive_many update update_batch"
        " update_tags",
        "workers": "register set_runtime_properties status_report unregister",
    },
    Use.SERVE: {"agents": "drain renew token wait", "queues": "get_next_task"},
    Use.WRITE: {
        "events": "clear_task_log delete_for_model delete_for_task",
        "models": "delete delete_many make_private make_public",
        "pipelines": "delete_runs",
        "projects": "delete make_private make_public merge move",
        "queues": "add_or_update_metadata clear_queue delete delete_metadata move_task_backward move_task_forward"
        " move_task_to_back move_task_to_front update",
        "reports": "archive create delete move publish unarchive update",
        "tasks": "delete delete_many make_private make_public share",
    },
    Use.ADMINISTER: {
        "auth": "create_user edit_user get_token_for_user",
        "server": "config endpoints get_stats",
        "storage": "get_settings reset_settings set_settings",
        "users": "create delete",
    },
}
"""Use -> service -> its endpoints."""

LISTED = [
    (use, f"{service}.{action}")
    for use, services in _ENDPOINTS.items()
    for service, actions in services.items()
    for action in actions.split()
]
USES: Mapping[str, Use] = {name: use for use, name in LISTED}
"""Endpoint -> what calling it amounts to."""

LIMITED_BODY_BYTES = {
    Use.OPEN: MIB // 64,  # anybody may send it, and hold it for a while by not sending the last byte
    **dict.fromkeys((Use.SESSION, Use.PERSONAL, Use.OWN, Use.ADMINISTER), MIB),
    Use.READ: 16 * MIB,
}
"""Largest body of a call by its use; others have the server's own limit (batches of events are large)."""


def use_of(name: str) -> Use:
    """What calling an endpoint amounts to; the administrators' business where nobody has decided."""
    return USES.get(name, Use.ADMINISTER)


def is_allowed(identity: Identity, name: str) -> bool:
    """True when this caller may call this endpoint."""
    use = USES.get(name, Use.ADMINISTER)
    if identity.claim is not None and use not in CLAIM:
        return False
    if identity.role == DOOR:
        return name in _DOOR_OPENS
    return use in RIGHTS.get(identity.role, ())


def check(identity: Identity, name: str) -> None:
    """Raise 403/20, saying what is missing, unless this caller may call this endpoint."""
    if is_allowed(identity, name):
        return
    facts = {"endpoint": name, "role": identity.role, "needs": str(use_of(name))}
    if identity.claim is not None and use_of(name) not in CLAIM:
        raise forbidden("the token of a running task cannot do this", task=identity.claim.task, **facts)
    raise forbidden("this needs another role", **facts)


def check_file(identity: Identity, method: str, path: str) -> None:
    """Raise 403/20 unless this caller may read (GET, HEAD), upload (POST) or delete (DELETE) this file.

    Whoever runs tasks uploads. A task's own process deletes below a folder that is named for its task; another's
    files are a user's to delete.
    """
    if method in ("GET", "HEAD"):
        use = Use.READ
    elif method == "POST" or (identity.claim is not None and _is_of_task(path, identity.claim.task)):
        use = Use.RUN
    else:
        use = Use.WRITE
    if use not in RIGHTS.get(identity.role, ()) or (identity.claim is not None and use not in CLAIM):
        raise forbidden("this needs another role", role=identity.role, needs=str(use))


def _is_of_task(path: str, task: str) -> bool:
    """`project/name.<task id>/...`: how SDKs lay out what a task uploads."""
    return any(part.endswith(f".{task}") for part in path.split("/"))


def lesser(one: str, other: str) -> str:
    """The role that may do less; of equal ones the first."""
    return other if _RANK.get(other, 0) < _RANK.get(one, 0) else one
