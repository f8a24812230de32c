"""Names of projects: paths like `vision/detectors/small`. Pure."""

from control_plane.services.errors import ApiError, Subcode, data_validation

MAX_DEPTH = 10
MIN_NAME = 3
SEPARATOR = "/"


def clean_path(name: str) -> str:
    """The path without empty parts and blanks around its ends; raise 400/407, 400/409 or 400/800.

    A leading slash is refused: official servers make no such project either.
    """
    name = name.strip()
    parts = [part for part in name.split(SEPARATOR) if part.strip()]
    if not parts or name.startswith(SEPARATOR):
        raise ApiError(400, Subcode.PROJECT_NAME, "Invalid project name", name=name)
    if len(parts) > MAX_DEPTH:
        raise ApiError(400, Subcode.PROJECT_DEPTH, "Project path exceed the maximum allowed depth", max_depth=MAX_DEPTH)
    path = SEPARATOR.join(parts).strip()
    if len(path) < MIN_NAME:
        raise data_validation(name="String value is too short")
    return path


def ancestors(path: str) -> list[str]:
    """The paths above, outermost first: `a/b/c` -> [`a`, `a/b`]."""
    parts = path.split(SEPARATOR)
    return [SEPARATOR.join(parts[:count]) for count in range(1, len(parts))]


def basename(path: str) -> str:
    """The last part."""
    return path.rpartition(SEPARATOR)[2]


def location(path: str) -> str:
    """The path above; empty at the top."""
    return path.rpartition(SEPARATOR)[0]


def join(location: str, name: str) -> str:
    """The path of `name` below `location`."""
    return f"{location}{SEPARATOR}{name}" if location else name


def moved(path: str, source: str, target: str) -> str:
    """The path of something at or below `source` after `source` became `target`."""
    return target + path[len(source) :]
