"""Requests of `auth.*`, `login.*`, `server.*`, `debug.*` and `users.*`."""

from typing import Any, Literal

from control_plane.schema.base import Request

Role = Literal["admin", "superuser", "user", "annotator", "guest", "agent", "read-only"]
"""What a user may be made; `root` and `system` exist in tokens of official servers only."""


class LoginRequest(Request, kw_only=True):
    """A token for who is calling; `expiration_sec` None or 0 means the usual lifetime."""

    expiration_sec: int | None = None


class CreateCredentialsRequest(Request, kw_only=True):
    """New credentials. Ours: `role` (at most this), `expiration_sec` (from now on), `user` (for an administrator)."""

    label: str | None = None
    role: Role | None = None
    expiration_sec: int | None = None
    user: str | None = None


class GetCredentialsRequest(Request, kw_only=True):
    """Whose credentials; ours: an administrator may ask for another user's."""

    user: str | None = None


class CredentialsRequest(Request, kw_only=True):
    """Credentials by their key."""

    access_key: str
    label: str | None = None


class RotateCredentialsRequest(Request, kw_only=True):
    """Ours: a new key in place of an old one, which stays good for `keep_sec`."""

    access_key: str
    keep_sec: int = 0


class SetPasswordRequest(Request, kw_only=True):
    """Ours: a new password; None takes it away. `current`: the one before, needed for one's own."""

    password: str | None
    user: str | None = None
    current: str | None = None


class RevokeSessionsRequest(Request, kw_only=True):
    """Ours: end every session of a user, by default of the caller."""

    user: str | None = None


class ValidateTokenRequest(Request, kw_only=True):
    """Is this token good?"""

    token: str


class TokenForUserRequest(Request, kw_only=True):
    """A token for another user."""

    user: str
    company: str | None = None
    expiration_sec: int | None = None


class CreateUserRequest(Request, kw_only=True):
    """A new user."""

    name: str
    company: str | None = None
    email: str | None = None
    role: Role = "user"
    given_name: str | None = None
    family_name: str | None = None
    avatar: str | None = None


class EditUserRequest(Request, kw_only=True):
    """Another role for a user, by default for the caller."""

    user: str | None = None
    role: Role | None = None


class UserRequest(Request, kw_only=True):
    """One user."""

    user: str


class CreateUserWithIdRequest(Request, kw_only=True):
    """A new user under a given id."""

    id: str
    name: str
    company: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    avatar: str | None = None


class UpdateUserRequest(Request, kw_only=True):
    """What is known of a user."""

    user: str
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    avatar: str | None = None


class UsersRequest(Request, kw_only=True):
    """A list of users."""

    id: list[str] | None = None
    name: str | None = None
    only_fields: list[str] | None = None
    page: int = 0
    page_size: int = 500
    order_by: list[str] | str | None = None
    active_in_projects: list[str] | None = None


class PreferencesRequest(Request, kw_only=True):
    """The page's settings of a user: what is named changes, objects inside objects likewise; the rest stays."""

    preferences: dict[str, Any]
