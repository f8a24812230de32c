"""The file server: upload, download (in parts too), HEAD and delete of what lies under the data directory's `files`.

Uploads go to a temporary name beside their target and are renamed into place once they are complete and on disk, so
nobody ever reads half a file. Source: contract/wire.md, section 12; DESIGN 5.
"""

import asyncio
import errno
import logging
import mimetypes
import os
import re
import secrets
import stat
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote_to_bytes

import orjson
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from control_plane.http import authentication
from control_plane.http.byte_ranges import Version, wanted_part
from control_plane.http.limits import Limits
from control_plane.http.paths import BadName, inside
from control_plane.http.protocol import new_request_id
from control_plane.logs import exception_facts
from control_plane.services import fencing, roles
from control_plane.services.access import Access
from control_plane.services.context import Identity
from control_plane.services.errors import ApiError
from control_plane.store import Store
from control_plane.store.errors import ClaimOver

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
BLOCK_BYTES = 2 << 20
"""Of an upload, so much is written at a time, and as much received meanwhile."""
UPLOADING = ".uploading-"
"""Prefix of temporary names; a name with it cannot be asked for."""

_FIELD_NAME = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_MISSING = "There is no such file"
_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif")
_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'"


@dataclass(frozen=True)
class Files:
    """The file server over one folder, which must exist and be resolved."""

    root: Path
    access: Access
    store: Store
    counters: Counter[str]
    limits: Limits

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request on the file port."""
        path, _, query = request.raw_path.partition("?")
        return await self.answer(request, path, query)

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer the request for `path`, still quoted, below any prefix that was cut off."""
        if request.method == "OPTIONS":
            return web.Response(status=200)
        if request.method in ("GET", "HEAD") and path in ("", "/"):
            return web.Response(text="OK")
        try:
            address = self.limits.address(request)
            identity = await authentication.identify_for_file(
                self.access,
                method=request.method,
                headers=request.headers,
                cookies=request.cookies,
                address=address,
            )
            self.limits.admit(identity, request, address)
            if request.method not in ("GET", "HEAD"):
                await fencing.check(self.store, identity)
            return await self._dispatch(request, path, query, identity)
        except ClaimOver as error:
            self.counters["fenced_writes"] += 1
            return _problem(400, fencing.explained(error).message)
        except ApiError as error:
            return _problem(error.code, error.message, error.data.get("retry_after_s"))
        except BadName as error:
            return _problem(400, f"This name is refused: {error}")
        except FileNotFoundError:
            return _problem(404, _MISSING)
        except ConnectionError:
            raise  # the caller hung up: nobody to answer, and nothing went wrong here
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP):
                is_upload = request.method == "POST"
                return _problem(400, "A file or a folder is in the way") if is_upload else _problem(404, _MISSING)
            log.error("file operation failed", extra=exception_facts(error))
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return _problem(500, "The disk is full" if full else "The file could not be read or written")

    async def _dispatch(
        self, request: web.BaseRequest, path: str, query: str, identity: Identity
    ) -> web.StreamResponse:
        if request.method == "POST" and path.rstrip("/") == "/delete_many":
            return await self._delete_many(request, identity)
        name = decoded(path)
        roles.check_file(identity, request.method, name)
        if request.method == "POST":
            return await self._upload(request)
        if request.method in ("GET", "HEAD"):
            return await self._download(request, name, "download" in parse_qs(query, keep_blank_values=True))
        if request.method == "DELETE":
            await asyncio.to_thread(self._delete, name)
            return web.json_response({"deleted": name.lstrip("/")})
        return _problem(405, "Use GET, HEAD, POST or DELETE")

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        if request.content_type != "multipart/form-data":
            return _problem(400, "Upload as multipart/form-data; the field's name is the file's path")
        try:
            stored = await self._store_parts(MultipartReader(request.headers, request.content))
        except (AssertionError, ValueError, HttpProcessingError) as error:
            # What aiohttp's reader raises for a body that is not what its header says.
            if isinstance(error, BadName):
                raise
            return _problem(400, "The multipart body cannot be read to its end")
        if not stored:
            return _problem(400, "No file in the body; the field's name is the file's path")
        return web.json_response(stored)

    async def _store_parts(self, reader: MultipartReader) -> list[str]:
        stored: list[str] = []
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise BadName("nested multipart bodies are not read")
            target = self._target(field_name(part.headers.get("Content-Disposition", "")))
            await self._store(part, target)
            stored.append(str(target.relative_to(self.root)))
        return stored

    def _target(self, name: str) -> Path:
        path = inside(self.root, name)
        if any(part.startswith(UPLOADING) for part in path.relative_to(self.root).parts):
            raise BadName("the name is reserved")
        return path

    async def _store(self, part: BodyPartReader, target: Path) -> None:
        temporary = target.parent / f"{UPLOADING}{secrets.token_hex(8)}"
        file = await asyncio.to_thread(_create, temporary, self.root)
        try:
            await _receive(part, file)
            if not part.at_eof():
                raise ValueError("the upload ended early")
            await asyncio.to_thread(_finish, file, temporary, target)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise

    async def _download(self, request: web.BaseRequest, name: str, wants_attachment: bool) -> web.StreamResponse:
        path = self._target(name)
        file, version = await asyncio.to_thread(_open, path)
        with file:
            is_get = request.method == "GET"  # ranges are of GET alone
            asked = request.headers.get("Range") if is_get else None
            part = wanted_part(version, asked, request.headers.get("If-Range"), now=time.time())
            versioned = {"Accept-Ranges": "bytes", "ETag": version.etag, "Last-Modified": version.last_modified}
            if part is None:
                missed = {**versioned, "Content-Range": f"bytes */{version.size_bytes}"}
                return _problem(416, "The file has no such bytes", headers=missed)
            response = web.StreamResponse(headers={**file_headers(path.name, wants_attachment), **versioned})
            if not part.is_whole:
                response.set_status(206)
                response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{version.size_bytes}"
            response.content_length = part.end - part.start
            await response.prepare(request)
            if is_get:
                if part.start:
                    await asyncio.to_thread(file.seek, part.start)
                left = part.end - part.start
                while left > 0:
                    chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
                    if not chunk:
                        break
                    left -= len(chunk)
                    await response.write(chunk)
            await response.write_eof()
        return response

    def _delete(self, name: str) -> None:
        path = self._target(name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise FileNotFoundError(errno.ENOENT, "a folder is not a file")
        path.unlink()
        # The folders of a task go with its last file; a folder that is not empty stays.
        for folder in path.parents:
            if folder == self.root:
                break
            try:
                folder.rmdir()
            except OSError:
                break

    async def _delete_many(self, request: web.BaseRequest, identity: Identity) -> web.Response:
        try:
            body = orjson.loads(await request.read())
            names = [str(name) for name in body["files"]]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _problem(400, 'The body must be {"files": ["path", ...]}')
        deleted: dict[str, str] = {}
        errors: dict[str, list[str]] = {}
        for name in names:
            try:
                roles.check_file(identity, "DELETE", decoded(name))
                await asyncio.to_thread(self._delete, decoded(name))
                deleted[name] = decoded(name).lstrip("/")
            except FileNotFoundError:
                errors.setdefault("Not found", []).append(name)
            except (BadName, ApiError):
                errors.setdefault("Refused", []).append(name)
            except OSError as error:
                errors.setdefault(error.strerror or "failed", []).append(name)
        return web.json_response({"deleted": deleted, "errors": errors})


def field_name(disposition: str) -> str:
    """The field's name in a part's Content-Disposition, as it was meant; empty when there is none.

    aiohttp's own reading drops backslashes and leading slashes, and file names may hold the one and test the other.
    Clients write a quote as %22 or with a backslash before it.
    """
    found = _FIELD_NAME.search(disposition)
    return found[1].replace('\\"', '"').replace("%22", '"') if found else ""


def decoded(path: str) -> str:
    """A URL's path decoded, exactly once; a plus is a plus."""
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise BadName("the name is not UTF-8") from None


def file_headers(name: str, wants_attachment: bool) -> Mapping[str, str]:
    """Headers that keep a stored file from running as a page of ours."""
    kind, encoding = mimetypes.guess_type(name)
    # A .gz that was sent with Content-Encoding would be unpacked on its way, and its hash would differ.
    if encoding or kind is None:
        kind = "application/octet-stream"
    shown = kind in _INLINE or kind.startswith(("audio/", "video/"))
    disposition = "inline" if shown and not wants_attachment else "attachment"
    return {
        "Content-Type": kind if shown or kind.startswith("text/plain") else _harmless(kind),
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }


def _harmless(kind: str) -> str:
    """Types that a browser runs are sent as bytes."""
    runs = ("html", "xml", "svg", "javascript", "ecmascript", "xhtml", "pdf")
    return "application/octet-stream" if any(word in kind for word in runs) else kind


async def _receive(part: BodyPartReader, file: BinaryIO) -> None:
    """Write a part's content: while one block is written, the next is received."""
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[None] | None = None
    try:
        is_over = False
        while not is_over:
            block, size_bytes = list[bytes](), 0
            while size_bytes < BLOCK_BYTES and not is_over:
                chunk = await part.read_chunk(CHUNK_BYTES)
                block.append(chunk)
                size_bytes += len(chunk)
                is_over = not chunk
            if writing is not None:
                await writing
            writing = loop.run_in_executor(None, file.writelines, block)
    finally:
        if writing is not None:
            await writing  # also when the upload breaks off: the file is closed next


def _create(temporary: Path, root: Path) -> BinaryIO:
    for _ in range(10):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _create_in(temporary, root)
        except FileNotFoundError:
            continue  # the last file of the folder was deleted at this moment, and the folder with it
    return _create_in(temporary, root)


def _create_in(temporary: Path, root: Path) -> BinaryIO:
    # Between the check of the name and this moment nobody else writes here; checked again, it costs a microsecond.
    real = Path(os.path.realpath(temporary.parent))
    if real != root and root not in real.parents:
        raise BadName("a link leads out of the server")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    return os.fdopen(handle, "wb")


def _finish(file: BinaryIO, temporary: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    if target.is_dir():
        raise BadName("a folder has this name")
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open(path: Path) -> tuple[BinaryIO, Version]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise FileNotFoundError(errno.ENOENT, "not a file")
    return os.fdopen(handle, "rb"), Version.of(facts)


def _problem(
    code: int, message: str, wait_s: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    facts: dict[str, Any] = {"error": message, "request_id": new_request_id()}
    waiting = {"Retry-After": str(wait_s)} if wait_s else {}
    return web.json_response(facts, status=code, headers={**waiting, **(headers or {})})
