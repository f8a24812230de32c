"""Exit statuses of the commands, and the errors that stand for them."""

from clearml_sdk.errors import ClearmlError

OK, FAILED, USAGE, NOT_FOUND, AMBIGUOUS, UNREACHABLE = 0, 1, 2, 3, 4, 5


class CommandError(ClearmlError):
    """The command cannot be done; `status` is its exit status."""

    status = FAILED


class NoSuchTask(CommandError):
    """Nothing has that id or name."""

    status = NOT_FOUND


class ManyTasks(CommandError):
    """Several have it."""

    status = AMBIGUOUS
