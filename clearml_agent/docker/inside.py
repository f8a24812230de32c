"""Helper processes in a running container, in place of this machine: uv for an environment, questions to a Python."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.docker.engine import Engine
from clearml_agent.process import ERRORS_KEPT_BYTES, Finished, HelperTimeout, Log

PASSED = re.compile(
    r"^(UV_|PIP_|GIT_|POETRY_|VIRTUAL_ENV$|NETRC$|SSL_CERT_|REQUESTS_CA_BUNDLE$|CURL_CA_BUNDLE$|LC_ALL$|LANG$)"
    r"|^(https?|all|no)_proxy$",
    re.IGNORECASE,
)
"""Of a helper's environment, what means the same in a container."""

WITH_INPUT = 'exec "$@" <"$0"'


class Inside:
    """Runs helpers in one container; see `process.Elsewhere`.

    Args:
        scratch: a directory that is the same here and there.
        user: as whom, `uid:gid`; "" for the container's own.
        environ: given to every helper.
        replaced: programs of this machine -> what runs there in their place.
    """

    def __init__(
        self,
        engine: Engine,
        container: str,
        *,
        scratch: Path,
        user: str,
        environ: Mapping[str, str],
        replaced: Mapping[str, str],
    ) -> None:
        self._engine, self._container, self._scratch, self._user = engine, container, scratch, user
        self._replaced = replaced
        self._environ = dict(environ)

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        stdin: bytes,
        log: Log | None,
    ) -> Finished:
        """A helper that is not done in time goes on until its container is removed."""
        given = {name: value for name, value in (os.environ if env is None else env).items() if PASSED.search(name)}
        source = None
        words = [self._replaced.get(argv[0], argv[0]), *argv[1:]]
        if stdin:
            source = self._scratch / f".stdin-{uuid.uuid4().hex}"
            source.write_bytes(stdin)
            words = ["/bin/sh", "-c", WITH_INPUT, str(source), *words]
        output = bytearray()
        errors = _Errors(log)
        try:
            async with asyncio.timeout(timeout_s):
                code = await self._engine.execute(
                    self._container,
                    words,
                    environ={**given, **self._environ},
                    cwd=str(cwd) if cwd is not None else str(self._scratch),
                    user=self._user,
                    on_output=output.extend,
                    on_errors=errors.feed,
                )
        except TimeoutError:
            raise HelperTimeout(Path(argv[0]).name, timeout_s) from None
        finally:
            if source is not None:
                source.unlink(missing_ok=True)
        errors.end()
        return Finished(code, bytes(output), bytes(errors.kept).decode("utf-8", "replace"))


class _Errors:
    """The error output: its end is kept, its lines go to the log."""

    def __init__(self, log: Log | None) -> None:
        self.kept = bytearray()
        self._log, self._line = log, ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, data: bytes) -> None:
        self.kept += data
        del self.kept[:-ERRORS_KEPT_BYTES]
        if self._log is not None:
            *lines, self._line = (self._line + self._decode(data)).split("\n")
            for line in lines:
                self._log(line.rstrip("\r"))

    def end(self) -> None:
        if self._line and self._log is not None:
            self._log(self._line)
