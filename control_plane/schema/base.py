"""The base of every request Struct."""

import msgspec


class Request(msgspec.Struct, kw_only=True):
    """A request body: unknown keys are ignored (official clients send a stray `method`).

    A field that the caller may leave out and whose presence means "apply this" is `X | UnsetType = UNSET`; where
    absent and null mean the same it is `X | None = None`.
    """


class Empty(Request, kw_only=True):
    """A request without fields."""
