"""Reading a multipart body piece by piece, as it comes; what it holds is never copied. Pure.

Source: RFC 2046, section 5.1.1; RFC 7578.
"""

from collections.abc import Generator, Iterator, Mapping

MAX_HEAD_BYTES = 16 * 1024
"""Of the head of one part."""

Event = Mapping[str, str] | memoryview | None
"""A part begins, with these headers (names in lower case); a piece of its content; it is over."""


class Scanner:
    """Reads one body. Raises ValueError for one that is not what its header says."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise ValueError("a multipart body without a boundary")
        self._edge = b"\r\n--" + boundary
        self._held = b"\r\n"  # the first edge may stand at the very start
        self._head: bytearray | None = None
        self._is_in_part = False
        self._left: int | None = None  # of a part whose head tells its length: it need not be searched for its end
        self.is_over = False

    def feed(self, data: bytes | bytearray, size_bytes: int) -> Iterator[Event]:
        """What the first `size_bytes` of `data` hold; the pieces of content are views of `data` where they can be."""
        at, view = 0, memoryview(data)
        while at < size_bytes and not self.is_over:
            if self._head is None:
                at = yield from self._content(data, view, at, size_bytes)
            else:
                at = yield from self._between(self._head, view, at, size_bytes)

    def _content(self, data: bytes | bytearray, view: memoryview, at: int, end: int) -> Generator[Event, None, int]:
        """Up to the next edge; where it stopped. Before the first part stands what nobody reads."""
        if self._left:
            stop = min(end, at + self._left)
            self._left -= stop - at
            yield view[at:stop]
            return stop
        if self._held:
            # What was held is the begin of an edge, or of nothing: a few bytes more tell.
            more = bytes(view[at : min(end, at + len(self._edge))])
            joint = self._held + more
            if joint.startswith(self._edge):
                at += len(self._edge) - len(self._held)
                yield from self._end()
                return at
            if self._edge.startswith(joint):
                self._held = joint
                return end
            yield from self._piece(memoryview(self._held))
            self._held = b""
        found = data.find(self._edge, at, end)
        if found >= 0:
            yield from self._piece(view[at:found])
            yield from self._end()
            return found + len(self._edge)
        # An edge has one carriage return, its first byte: the last one here may begin it.
        last = data.rfind(b"\r", max(at, end - len(self._edge)), end)
        stop = last if last >= 0 and self._edge.startswith(view[last:end]) else end
        self._held = bytes(view[stop:end])
        yield from self._piece(view[at:stop])
        return end

    def _piece(self, piece: memoryview) -> Iterator[Event]:
        if piece and self._is_in_part:
            if self._left is not None:
                raise ValueError("a part is longer than its head says")
            yield piece

    def _end(self) -> Iterator[Event]:
        self._held, self._head, self._left = b"", bytearray(), None
        if self._is_in_part:
            self._is_in_part = False
            yield None

    def _between(self, head: bytearray, view: memoryview, at: int, end: int) -> Generator[Event, None, int]:
        """Behind an edge: the head of the next part, or two dashes for the end of all."""
        before = len(head)
        head += view[at : min(end, at + MAX_HEAD_BYTES - before)]
        if head.startswith(b"--"):
            self.is_over = True
            return end
        over = head.find(b"\r\n\r\n", max(0, before - 3))
        if over < 0:
            if len(head) >= MAX_HEAD_BYTES:
                raise ValueError("the head of a part is too long")
            return end
        first, _, lines = bytes(head[:over]).partition(b"\r\n")
        if first.strip(b" \t"):
            raise ValueError("an edge is not followed by a line's end")
        self._head, self._is_in_part = None, True
        headers = _headers(lines)
        length = headers.get("content-length", "")
        self._left = int(length) if length.isascii() and length.isdigit() else None
        yield headers
        return at + over + 4 - before


def _headers(lines: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines.decode("utf-8", "surrogateescape").split("\r\n"):
        name, _, value = line.partition(":")
        found.setdefault(name.strip().lower(), value.strip())
    return found
