"""The files server, and other HTTP servers, as a store of files: streamed both ways, at the speed of the disk.

A large file comes in parts from a server that can send them (`Range`), and goes on where an earlier download broke off.
Contract: wire.md 12. Credentials go to the configured files server only.
"""

from __future__ import annotations

import hashlib
import http.client
import mimetypes
import os
import re
import time
from urllib.parse import quote

from clearml_sdk.errors import ClearmlError
from clearml_sdk.storage import urls
from clearml_sdk.storage.errors import StorageError, StorageRefused, StorageUnreachable, StoredFileMissing
from clearml_sdk.storage.progress import bar
from clearml_sdk.storage.ranges import PART_BYTES, download_in_parts
from clearml_sdk.transport import HttpTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clearml_sdk.session import Session
    from clearml_sdk.storage.sources import Source

BLOCK_BYTES = 1 << 20
UPLOAD_TRIES = 7
"""Half a minute in all: a server that restarts is back by then."""
READ_TRIES = 5
RETRIED = frozenset({408, 429, 502, 503, 504, 509})
CONNECT_TIMEOUT_S = 30.0
SLOWEST_BYTES_PER_S = 50_000
DOWN_S = 1.0
OCTETS = "application/octet-stream"
KNOWN_TYPES = {".npz": OCTETS, ".pkl": OCTETS, ".json": "application/json", ".txt": "text/plain"}
"""Of what is stored most: to know others, the system's tables are read first."""
_TOTAL = re.compile(r"bytes 0-\d+/(\d+)")
_refused_at: dict[str, float] = {}
"""Servers where nobody listened when they were last asked: since when."""


def is_down(url: str) -> bool:
    """Whether nobody listens at the server of `url`, and has not for longer than a moment; asks nothing."""
    refused_at = _refused_at.get(urls.server_of(url))
    return refused_at is not None and time.monotonic() - refused_at >= DOWN_S


def upload(
    session: Session | None,
    source: Source,
    url: str,
    *,
    progress: Callable[[int], object] | None = None,
    tries: int = UPLOAD_TRIES,
) -> None:
    """Send `source` to be stored at `url`; again, up to `tries` times. Raises StorageError, FileNotFoundError."""
    boundary = os.urandom(16).hex()
    base = _base_path(session, url)
    head, tail = _multipart(urls.server_path(url).removeprefix(base), source, boundary)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + source.length + len(tail)),
    }

    def send(connection: http.client.HTTPConnection) -> None:
        connection.send(head)
        source.send(connection, progress)
        connection.send(tail)

    limit_s = max(30.0, source.length / SLOWEST_BYTES_PER_S)
    with _Exchange(session, url, tries) as exchange:
        exchange.run("POST", quote(base) + "/", headers, send, limit_s).read()


def download(session: Session | None, url: str, path: str, *, progress: Callable[[int], object] | None = None) -> str:
    """Store what is at `url` in the file `path`, whole or not at all, and return its sha256. Raises StorageError."""
    last: StorageError | None = None
    for attempt in range(READ_TRIES):
        if attempt:
            time.sleep(_delay_s(attempt))
        try:
            return _download_once(session, url, path, progress)
        except StorageUnreachable as error:
            last = error
    assert last is not None
    raise last


def size(session: Session | None, url: str) -> int | None:
    """Size in bytes; None when there is no such file, -1 when the server does not say. Raises StorageError."""
    try:
        with _Exchange(session, url, READ_TRIES) as exchange:
            answer = exchange.run("HEAD", _quoted_path(url), {}, None, CONNECT_TIMEOUT_S)
            answer.read()
            return int(answer.headers.get("Content-Length", "-1"))
    except StoredFileMissing:
        return None


def delete(session: Session | None, url: str) -> bool:
    """Remove the file; False when there was none. Raises StorageError."""
    try:
        with _Exchange(session, url, READ_TRIES) as exchange:
            exchange.run("DELETE", _quoted_path(url), {}, None, CONNECT_TIMEOUT_S).read()
    except StoredFileMissing:
        return False
    return True


def takes_credentials(session: Session, url: str) -> bool:
    """Whether `url` is on the configured files server, so that it gets the token."""
    base = session.settings.files_server
    return bool(base) and (url == base or url.startswith(base + "/"))


def _base_path(session: Session | None, url: str) -> str:
    """The path below which the files server of `url` is reached: empty, or where a proxy has it, such as `/files`."""
    if session is None or not takes_credentials(session, url):
        return ""
    return urls.server_path(session.settings.files_server).rstrip("/")


def content_type_of(path: str) -> str:
    """The media type by the file's name. A compressed file is octets: a server that knew better would unpack it."""
    known = KNOWN_TYPES.get(os.path.splitext(path)[1])
    if known is not None:
        return known
    guessed, encoding = mimetypes.guess_type(path)
    return OCTETS if encoding or not guessed else guessed


def _download_once(session: Session | None, url: str, path: str, progress: Callable[[int], object] | None) -> str:
    """Ask for the first part; a server that sends it, and says what tells the file's versions apart, is asked for the
    others so. One that knows no parts sends the whole file at once."""
    with _Exchange(session, url, READ_TRIES) as exchange:
        first = {"Range": f"bytes=0-{PART_BYTES - 1}"}
        answer = exchange.run("GET", _request_path(url), first, None, CONNECT_TIMEOUT_S, accepted=(200, 206, 416))
        total = _TOTAL.fullmatch(answer.headers.get("Content-Range", "")) if answer.status == 206 else None
        size, tag = int(total[1]) if total else 0, _version(answer)
        if answer.status == 200 or (total and size <= PART_BYTES):
            return _stream(url, answer, path, progress)
        if not total or not tag:  # 416 of an empty file, or parts that may be of different files
            answer = exchange.run("GET", _request_path(url), {}, None, CONNECT_TIMEOUT_S)
            return _stream(url, answer, path, progress)
        with _Parts(session, url, tag, exchange, answer) as parts:
            return download_in_parts(url, path, size, tag, parts.read, progress=progress or bar("download", url, size))


class _Parts:
    """Brings parts of the version `tag` of a file; each thread has a connection of its own, and keeps it."""

    def __init__(
        self, session: Session | None, url: str, tag: str, exchange: _Exchange, first: http.client.HTTPResponse
    ) -> None:
        """exchange, first: by which the first part comes already."""
        self._session, self._url, self._tag = session, url, tag
        self._first: list[tuple[_Exchange, http.client.HTTPResponse]] = [(exchange, first)]
        self._idle: list[_Exchange] = []

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *unused: object) -> None:
        for exchange in self._idle:
            exchange.close()

    def read(self, start: int, end: int) -> Iterator[memoryview]:
        """The bytes between two offsets. Raises StorageUnreachable, also when the file is another one now."""
        exchange, answer = self._first.pop() if not start and self._first else self._ask(start, end)
        is_whole = False
        try:
            found = answer.headers.get("Content-Range", "")
            if answer.status != 206 or not found.startswith(f"bytes {start}-{end - 1}/"):
                raise StorageUnreachable(self._url, "the file has changed while it was downloaded")
            buffer, left = memoryview(bytearray(BLOCK_BYTES)), end - start
            while left:
                try:
                    count = answer.readinto(buffer[:left])
                except (OSError, http.client.HTTPException) as error:
                    raise StorageUnreachable(self._url, f"the download broke off: {error}") from error
                if not count:
                    raise StorageUnreachable(
                        self._url, f"the download broke off, {left} bytes before the end of a part"
                    )
                left -= count
                yield buffer[:count]
            is_whole = True
        finally:
            if is_whole:
                self._idle.append(exchange)
            else:
                exchange.close()

    def _ask(self, start: int, end: int) -> tuple[_Exchange, http.client.HTTPResponse]:
        try:
            exchange = self._idle.pop()
        except IndexError:
            exchange = _Exchange(self._session, self._url, READ_TRIES)
        wanted = {"Range": f"bytes={start}-{end - 1}", "If-Range": self._tag}
        path = _request_path(self._url)
        try:
            return exchange, exchange.run("GET", path, wanted, None, CONNECT_TIMEOUT_S, accepted=(200, 206, 416))
        except BaseException:
            exchange.close()
            raise


def _version(answer: http.client.HTTPResponse) -> str:
    """What tells this version of the file from others, exactly; "" where the server does not say."""
    tag = str(answer.headers.get("ETag") or "")
    return tag if tag.startswith('"') else ""


def _stream(url: str, answer: http.client.HTTPResponse, path: str, progress: Callable[[int], object] | None) -> str:
    """Write an answer's body to `path`, whole or not at all, and return its sha256. Raises StorageUnreachable."""
    digest = hashlib.sha256()
    partial = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.part"
    expected = answer.headers.get("Content-Length")
    progress = progress or bar("download", url, int(expected) if expected else None)
    received = 0
    buffer = memoryview(bytearray(BLOCK_BYTES))
    try:
        with open(partial, "wb") as file:
            try:
                while count := answer.readinto(buffer):
                    digest.update(buffer[:count])
                    file.write(buffer[:count])
                    received += count
                    if progress is not None:
                        progress(count)
            except (OSError, http.client.HTTPException) as error:
                raise StorageUnreachable(url, f"the download broke off after {received} bytes: {error}") from error
        if expected is not None and received != int(expected):
            raise StorageUnreachable(url, f"the download broke off: {received} of {expected} bytes")
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    return digest.hexdigest()


class _Exchange:
    """One request and its answer, tried again where that helps; then the next. `close` it in the end."""

    def __init__(self, session: Session | None, url: str, tries: int) -> None:
        self._session, self._url, self._tries = session, url, tries
        self._transport = HttpTransport(verify=True if session is None else session.settings.verify)
        self._connection: http.client.HTTPConnection | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._must_log_in = False

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def run(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        send: Callable[[http.client.HTTPConnection], None] | None,
        limit_s: float,
        *,
        accepted: tuple[int, ...] = (200,),
    ) -> http.client.HTTPResponse:
        """The answer, its status one of `accepted`. Raises StorageError."""
        reason = ""
        for attempt in range(self._tries + 1):
            if attempt:
                time.sleep(_delay_s(attempt))
            try:
                answer = self._once(method, path, {**headers, **self._authorization()}, send, limit_s)
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                continue
            if answer.status in accepted:
                return answer
            reason = f"the server answered {answer.status} {answer.reason}"
            if answer.status == 404:
                raise StoredFileMissing(self._url, "no such file on the server")
            if answer.status == 401 and self._session is not None and not self._must_log_in:
                self._must_log_in = True
                continue
            if answer.status not in RETRIED:
                raise StorageRefused(self._url, reason)
        raise StorageUnreachable(self._url, f"{reason} ({self._tries + 1} tries)")

    def _once(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        send: Callable[[http.client.HTTPConnection], None] | None,
        limit_s: float,
    ) -> http.client.HTTPResponse:
        connection = self._connected()
        if connection.sock is not None:
            connection.sock.settimeout(limit_s)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        if send is not None:
            try:
                send(connection)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the server has answered before the end (a refusal): its answer says why
        self._answer = connection.getresponse()
        return self._answer

    def _connected(self) -> http.client.HTTPConnection:
        """The connection of the last answer if that was read to its end, else a new one."""
        before, self._answer = self._answer, None
        if self._connection is not None:
            if before is not None and before.isclosed() and not before.will_close:
                return self._connection
            self._connection.close()
        server = urls.server_of(self._url)
        try:
            self._connection = self._transport.connect(server, CONNECT_TIMEOUT_S)
        except ConnectionRefusedError:
            _refused_at.setdefault(server, time.monotonic())
            raise
        _refused_at.pop(server, None)
        return self._connection

    def _authorization(self) -> dict[str, str]:
        session = self._session
        if session is None or not takes_credentials(session, self._url):
            return {}
        try:
            if session.core.must_log_in or self._must_log_in:
                session.log_in(rejected=session.core.token)
        except ClearmlError as error:
            raise StorageUnreachable(self._url, f"cannot log in: {error}") from error
        return {"Authorization": f"Bearer {session.core.token}"}


def _multipart(target: str, source: Source, boundary: str) -> tuple[bytes, bytes]:
    """What stands before and behind the file's bytes; the field's name is the target path (wire.md 12).

    The length is for our server, which then need not search the bytes for their end.
    """
    name = target.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {content_type_of(source.name)}\r\nContent-Length: {source.length}\r\n\r\n"
    )
    return head.encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()


def _request_path(url: str) -> str:
    query = url.partition("://")[2].partition("?")[2]
    return f"{_quoted_path(url)}?{query}" if query else _quoted_path(url)


def _quoted_path(url: str) -> str:
    return quote(urls.server_path(url), safe="/=,!:@")


def _delay_s(attempt: int) -> float:
    return float(min(0.25 * 2 ** (attempt - 1), 10.0))
