"""URLs of stored files: which scheme, quoted for a record, decoded for the server."""

from __future__ import annotations

import os
from urllib.parse import quote, unquote, urlsplit

REMOTE_SCHEMES = ("http", "https", "s3", "gs", "azure", "ftp")


def scheme_of(url: str) -> str:
    """ "http", "https", "s3", ...; "file" for `file://` and for plain paths."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator and scheme.lower() in (*REMOTE_SCHEMES, "file") else "file"


def is_remote(url: str) -> bool:
    """Whether `url` names a file that is not in this machine's file system."""
    return scheme_of(url) != "file"


def is_url(text: str) -> bool:
    """Whether `text` is a URL of a scheme that is known, `file` included."""
    scheme, separator, rest = text.partition("://")
    return bool(separator and rest) and scheme.lower() in (*REMOTE_SCHEMES, "file") and "\n" not in text


def local_path(url: str) -> str:
    """The path that a `file://` URL or a plain path names."""
    if url.lower().startswith("file://"):
        path = unquote(url[len("file://") :])
        return path[1:] if os.name == "nt" and path[:1] == "/" else path
    return os.path.expanduser(url)


def join(base: str, *names: str) -> str:
    """The URL of `names` (unquoted) under `base` (as it is)."""
    return "/".join([base.rstrip("/"), *(quote(name.strip("/"), safe="/=,!:@ ").replace(" ", "%20") for name in names)])


def server_of(url: str) -> str:
    """`scheme://host[:port]` of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def server_path(url: str) -> str:
    """The decoded path of an HTTP URL, with its first slash: the name under which a file server keeps the file."""
    rest = url.partition("://")[2]
    path = rest.partition("/")[2].partition("?")[0]
    return "/" + unquote(path)


def file_name(url: str) -> str:
    """The last part of the path, decoded."""
    return server_path(url).rsplit("/", 1)[-1] if is_remote(url) else os.path.basename(local_path(url))
