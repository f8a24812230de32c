"""The table of rights: every endpoint has a decision, and the decisions hold for every role."""

import pytest

from control_plane.services import roles
from control_plane.services.context import Claim, Identity
from control_plane.services.errors import ApiError
from control_plane.services.roles import ADMINISTRATORS, RIGHTS, USES, Use
from control_plane.services.table import handler_table

NAMES = sorted(handler_table())


def who(role: str, *, claim: bool = False) -> Identity:
    return Identity(user="u", company="c", role=role, claim=Claim("t" * 32, 1, "w") if claim else None)


def test_every_endpoint_has_a_decision() -> None:
    """A new endpoint belongs into `roles.USES`: until it is there, only administrators can call it."""
    assert [name for name in NAMES if name not in USES] == []


def test_no_endpoint_is_named_twice() -> None:
    listed = [name for _, name in roles.LISTED]
    assert len(listed) == len(set(listed))


def test_what_needs_no_credentials_is_exactly_what_is_declared_so() -> None:
    open_ones = [name for name, row in handler_table().items() if not row.authorize]
    assert open_ones == [name for name in NAMES if roles.use_of(name) is Use.OPEN]


@pytest.mark.parametrize("role", sorted(ADMINISTRATORS))
def test_administrators_may_do_everything(role: str) -> None:
    assert all(roles.is_allowed(who(role), name) for name in NAMES)


@pytest.mark.parametrize("role", ["read-only", "guest"])
def test_readers_write_nothing_but_what_is_theirs_alone(role: str) -> None:
    changing = [name for name in NAMES if roles.is_allowed(who(role), name) and roles.use_of(name) is not Use.READ]
    assert set(changing) <= {
        *("auth.login", "auth.logout", "auth.validate_token", "auth.fixed_users_mode", "auth.get_credentials"),
        *("auth.revoke_sessions", "auth.set_password", "debug.echo", "debug.ping", "debug.ping_auth"),
        *("login.logout", "login.supported_modes", "server.info"),
        *("users.get_current_user", "users.get_preferences", "users.set_preferences"),
    }


def test_what_is_called_reading_reads() -> None:
    verbs = ("get", "validate", "peek", "debug_images", "plots", "next_", "scalar_", "multi_", "vector_", "endpoints")
    odd = [name for name in NAMES if roles.use_of(name) is Use.READ and not name.partition(".")[2].startswith(verbs)]
    assert odd == [
        name
        for name in (
            *("events.clear_scroll", "events.download_task_log", "events.follow", "organization.download_for_get_all"),
            "organization.follow",
            *("organization.prepare_download_for_get_all", "server.report_stats_option", "tasks.wait"),
        )
        if name in NAMES
    ]


def test_agents_have_no_say_over_people_and_delete_nothing() -> None:
    for name in NAMES:
        service, _, action = name.partition(".")
        if action.startswith(("delete_many", "delete_runs", "delete_for")) or action in ("delete", "merge"):
            assert not roles.is_allowed(who("agent"), name), name
        if service in ("auth", "users") and roles.use_of(name) not in (Use.OPEN, Use.SESSION, Use.READ):
            assert not roles.is_allowed(who("agent"), name), name


AGENTS_NEED = [
    f"{service}.{action}"
    for service, actions in {
        "auth": ("login",),
        "queues": ("get_all", "get_by_id", "get_next_task", "create"),
        "workers": ("register", "status_report", "unregister", "get_all"),
        "tasks": (
            "get_by_id",
            "get_all",
            "started",
            "stopped",
            "failed",
            "completed",
            "ping",
            "edit",
            "dequeue",
            "enqueue",
            "set_requirements",
            "create",
            "add_or_update_artifacts",
            "add_or_update_model",
            "edit_hyper_params",
            "clone",
            "reset",
        ),
        "events": ("add_batch", "get_task_log"),
        "projects": ("get_all", "create", "get_by_id"),
        "models": ("create", "edit", "add_or_update_metadata"),
        "agents": ("wait", "renew", "release"),
    }.items()
    for action in actions
]


@pytest.mark.parametrize("name", AGENTS_NEED)
def test_agents_can_do_what_official_agents_and_their_tasks_do(name: str) -> None:
    assert roles.is_allowed(who("agent"), name)


def test_a_tasks_token_makes_no_credentials_and_takes_no_tasks() -> None:
    for role in RIGHTS:
        for name in NAMES:
            if roles.use_of(name) in (Use.ADMINISTER, Use.OWN, Use.PERSONAL, Use.SERVE):
                assert not roles.is_allowed(who(role, claim=True), name), name
            elif roles.is_allowed(who(role, claim=True), name):
                assert roles.is_allowed(who(role), name), name


@pytest.mark.parametrize("name", [n for n in AGENTS_NEED if roles.use_of(n) is not Use.SERVE])
def test_a_tasks_token_can_do_what_task_code_does(name: str) -> None:
    assert roles.is_allowed(who("agent", claim=True), name)


def test_unknown_roles_and_unknown_endpoints_fail_closed() -> None:
    assert not any(roles.is_allowed(who("nobody"), name) for name in NAMES)
    assert not roles.is_allowed(who("user"), "tasks.invented_yesterday")
    assert roles.is_allowed(who("admin"), "tasks.invented_yesterday")


def test_a_refusal_says_what_is_missing() -> None:
    with pytest.raises(ApiError) as caught:
        roles.check(who("read-only"), "tasks.edit")
    assert (caught.value.code, caught.value.subcode) == (403, 20)
    assert caught.value.data == {"endpoint": "tasks.edit", "role": "read-only", "needs": "run"}


def test_the_lesser_role_counts() -> None:
    assert roles.lesser("admin", "agent") == "agent"
    assert roles.lesser("read-only", "admin") == "read-only"
    assert roles.lesser("user", "user") == "user"


def test_who_may_touch_which_file() -> None:
    task = "t" * 32
    own, other = f"p/n.{task}/artifacts/a", "p/n.x/artifacts/a"
    allowed = {
        (role, claim, method): [p for p in (own, other) if _file_allowed(who(role, claim=claim), method, p)]
        for role in ("user", "agent", "read-only")
        for claim in (False, True)
        for method in ("GET", "POST", "DELETE")
    }
    everything = [own, other]
    assert allowed == {
        **{key: everything for key in allowed if key[0] == "user" or key[2] == "GET"},
        ("agent", False, "POST"): everything,
        ("agent", True, "POST"): everything,
        ("agent", False, "DELETE"): [],
        ("agent", True, "DELETE"): [own],
        **{("read-only", claim, method): [] for claim in (False, True) for method in ("POST", "DELETE")},
    }


def _file_allowed(identity: Identity, method: str, path: str) -> bool:
    try:
        roles.check_file(identity, method, path)
    except ApiError:
        return False
    return True
