"""The file server: upload, download (in parts too), HEAD and delete of what lies under the data directory's `files`.

Source: contract/wire.md, section 12; DESIGN 5.
"""

import asyncio
import errno
import logging
import mimetypes
import os
import stat
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote_to_bytes

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from control_plane.http import authentication
from control_plane.http.byte_ranges import Version, wanted_part
from control_plane.http.limits import Limits, body_of
from control_plane.http.paths import BadName
from control_plane.http.protocol import new_request_id
from control_plane.http.receiving import receive
from control_plane.http.sending import send
from control_plane.http.storing import Upload, target
from control_plane.logs import exception_facts
from control_plane.services import fencing, roles
from control_plane.services.access import Access
from control_plane.services.context import Identity
from control_plane.services.errors import ApiError
from control_plane.services.roles import MIB
from control_plane.store import Store
from control_plane.store.errors import ClaimOver
from control_plane.store.turns import Turns

log = logging.getLogger(__name__)

LIST_BYTES = 16 * MIB
"""Of a list of files to delete."""
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
            edge = boundary(request.headers.get("Content-Type", ""))
            upload = Upload(self.root, edge, request.content_length or 0)
        except ValueError:
            return _problem(400, "The Content-Type names no boundary")
        try:
            await receive(request, upload.take)
            upload.end()
        except BaseException as error:
            await asyncio.to_thread(upload.discard)
            if isinstance(error, BadName) or not isinstance(error, ValueError | HttpProcessingError):
                raise
            return _problem(400, "The multipart body cannot be read to its end")
        if not upload.stored:
            return _problem(400, "No file in the body; the field's name is the file's path")
        return web.json_response(upload.stored)

    async def _download(self, request: web.BaseRequest, name: str, wants_attachment: bool) -> web.StreamResponse:
        path = target(self.root, name)
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
            if is_get:
                await send(request, response, file, part.start, part.end)
            else:
                await response.prepare(request)
            await response.write_eof()
        return response

    def _delete(self, name: str) -> None:
        path = target(self.root, name)
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
        raw = await body_of(request, LIST_BYTES)
        try:
            body = orjson.loads(raw)
            names = [str(name) for name in body["files"]]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _problem(400, 'The body must be {"files": ["path", ...]}')
        deleted: dict[str, str] = {}
        errors: dict[str, list[str]] = {}
        turns = Turns()
        for name in names:
            await turns.rest()
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


def boundary(content_type: str) -> str:
    """What parts the parts of a multipart body; empty when the header does not say."""
    message = Message()
    message["Content-Type"] = content_type
    return str(message.get_boundary(""))


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
