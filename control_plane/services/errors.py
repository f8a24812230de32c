"""What a service may answer besides success: one exception that carries the envelope's error.

`ApiError` is the only class. Its subcodes are named in `Subcode` (contract/wire.md, section 5), and the functions
below build the errors that more than one service raises, with the words that official clients show their users.

The message is the base text, then the extra in parentheses, then the data as `k=v`; the same data is
`meta.error_data`. Codes above 500 do not exist here: official clients retry those for ever, without a pause.
"""

import math
from enum import IntEnum
from typing import Any


class Subcode(IntEnum):
    """Subcodes, unique together with the HTTP code they are used with."""

    MALFORMED = 0
    """400: the path or the body cannot be read; 404: no such endpoint; 500: a defect of ours."""
    UNSUPPORTED = 1
    """301: gone in the requested version."""
    INVALID_HEADERS = 5
    IMPERSONATION = 6
    INVALID_ID = 10
    MISSING_FIELDS = 11
    VALIDATION = 12
    FIELDS_NOT_ALLOWED = 13
    LOOKUP = 14
    BAD_VALUE = 16
    EMPTY_BATCH = 17
    BAD_TYPE = 20
    BAD_REGEX = 21
    UNKNOWN_CREDENTIALS = 75
    UNKNOWN_TASK = 101
    TASK_STATUS = 110
    STATUS_RACE = 121
    TASK_MISSING_FIELDS = 122
    TASK_IN_USE = 123
    EVENTS_NOT_ADDED = 131
    FENCED = 190
    """Ours: the write comes from an older claim of the task, or the claim was lost."""
    STORE_BUSY = 191
    """Ours, 429: the store cannot be reached at the moment; nothing was written, ask again."""
    TOO_MANY = 192
    """Ours, 429: this caller asks too often; nothing was done, ask again after `retry_after_s`."""
    TOO_LARGE = 193
    """Ours, 413: the body is larger than this call takes."""
    REPORTS_WAIT = 194
    """Ours, 429: no reports are taken now (`pressure`); nothing was stored, send them again after `retry_after_s`."""
    UNKNOWN_MODEL = 201
    MODEL_READY = 203
    MODEL_IN_USE = 205
    MODEL_CREATOR_EXISTS = 206
    UNKNOWN_USER = 301
    UNKNOWN_PROJECT = 401
    PROJECT_HAS_TASKS = 402
    PROJECT_HAS_MODELS = 405
    PROJECT_NAME = 407
    PROJECT_LOCATION = 408
    PROJECT_DEPTH = 409
    PROJECT_SAME_PATH = 410
    PROJECT_INTO_ITSELF = 411
    PROJECT_INTO_CHILD = 412
    UNKNOWN_QUEUE = 701
    QUEUE_NOT_EMPTY = 702
    NOT_IN_QUEUE = 703
    ALREADY_QUEUED = 706
    NO_DEFAULT_QUEUE = 707
    MANY_DEFAULT_QUEUES = 708
    DATA_VALIDATION = 800
    DUPLICATE = 801
    UNKNOWN_WORKER = 1001
    WORKER_REGISTRATION = 1002
    WORKER_REPORT = 1004
    BAD_SCROLL = 1104


class ApiError(Exception):
    """An answer other than 200, with everything that the envelope needs.

    Args:
        code: HTTP status and `meta.result_code`, at most 500.
        subcode: `meta.result_subcode`.
        text: base text, followed by `extra` in parentheses.
        data: what the message repeats as `k=v` and `meta.error_data` holds.
    """

    def __init__(self, code: int, subcode: int, text: str, extra: str = "", /, **data: Any) -> None:
        self.code = code
        self.subcode = int(subcode)
        self.text = text
        self.extra = extra
        self.data = data
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """`base (extra): k=v, k2=v2`."""
        head = f"{self.text} ({self.extra})" if self.extra else self.text
        if not self.data:
            return head
        return f"{head}: " + ", ".join(f"{key}={_shown(value)}" for key, value in self.data.items())


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return "(" + ", ".join(str(item) for item in value) + ")"
    return str(value)


def bad_request(text: str) -> ApiError:
    """The path or the body cannot be read."""
    return ApiError(400, Subcode.MALFORMED, text)


def validation(extra: str, **data: Any) -> ApiError:
    """A field is missing, of a wrong type or out of its range: 400/12."""
    return ApiError(400, Subcode.VALIDATION, "Validation error", extra, **data)


def missing_fields(*names: str) -> ApiError:
    """Required fields are absent: 400/11."""
    return ApiError(400, Subcode.MISSING_FIELDS, "Missing required fields", missing=names)


def bad_value(extra: str, **data: Any) -> ApiError:
    """A field's value cannot be used: 400/16."""
    return ApiError(400, Subcode.BAD_VALUE, "Invalid value for fields", extra, **data)


def data_validation(**fields: str) -> ApiError:
    """The document that the call would leave is not valid: 400/800, one `field=reason` each."""
    return ApiError(400, Subcode.DATA_VALIDATION, "Data validation error", **fields)


def duplicate(extra: str = "unique field already contains this value", **data: Any) -> ApiError:
    """A unique name is taken: 400/801."""
    return ApiError(400, Subcode.DUPLICATE, "Value combination already exists", extra, **data)


def unknown_task(extra: str = "", **data: Any) -> ApiError:
    """No task of this company has the id: 400/101."""
    return ApiError(400, Subcode.UNKNOWN_TASK, "Invalid task id", extra, **data)


def unknown_model(extra: str = "", **data: Any) -> ApiError:
    """No model has the id: 400/201 (the SDK reads exactly this as "already deleted")."""
    return ApiError(400, Subcode.UNKNOWN_MODEL, "Invalid model id", extra, **data)


def unknown_project(**data: Any) -> ApiError:
    """No project has the id: 400/401."""
    return ApiError(400, Subcode.UNKNOWN_PROJECT, "Invalid project id", **data)


def unknown_queue(**data: Any) -> ApiError:
    """No queue has the id: 400/701."""
    return ApiError(400, Subcode.UNKNOWN_QUEUE, "Invalid queue id", **data)


def unknown_user(**data: Any) -> ApiError:
    """No user has the id: 400/301."""
    return ApiError(400, Subcode.UNKNOWN_USER, "Invalid user id", **data)


def illegal_status(current: str, new: str) -> ApiError:
    """The status machine has no such step without `force`: 400/110."""
    return ApiError(
        400,
        Subcode.TASK_STATUS,
        "Invalid task status",
        "Invalid status change",
        current_status=current,
        new_status=new,
    )


def wrong_status(extra: str = "", **data: Any) -> ApiError:
    """The task's status forbids the call: 400/110."""
    return ApiError(400, Subcode.TASK_STATUS, "Invalid task status", extra, **data)


def lost_race(task: str, status: str) -> ApiError:
    """Somebody else changed the status first: 400/121."""
    return ApiError(
        400,
        Subcode.STATUS_RACE,
        "Task status was changed by another call",
        "read it again and retry",
        task=task,
        status=status,
    )


def fenced(task: str, claim: int, current: int | None) -> ApiError:
    """The write comes from a claim that the task has outlived: 400 with a subcode of ours, never 401."""
    return ApiError(
        400,
        Subcode.FENCED,
        "This claim of the task is over",
        "another claim or nobody owns it now; stop working on it",
        task=task,
        claim=claim,
        current=current,
    )


def unauthorized(subcode: int, extra: str, **data: Any) -> ApiError:
    """No or wrong credentials: 401, upon which clients log in again once."""
    text = "Invalid token" if subcode == 30 else "Unauthorized"
    return ApiError(401, subcode, text, extra, **data)


def forbidden(extra: str, **data: Any) -> ApiError:
    """Known, but not allowed to: 403/20."""
    return ApiError(403, 20, "Forbidden", extra, **data)


def too_many(extra: str, wait_s: float) -> ApiError:
    """The caller asks too often: 429, upon which clients wait and ask again."""
    return ApiError(429, Subcode.TOO_MANY, "Too many requests", extra, retry_after_s=max(1, math.ceil(wait_s)))


def too_large(limit_bytes: int) -> ApiError:
    """The body is larger than the call takes: 413."""
    return ApiError(413, Subcode.TOO_LARGE, "The body is too large", limit_bytes=limit_bytes)
