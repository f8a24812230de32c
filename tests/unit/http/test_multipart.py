"""A multipart body is read the same, however its bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.http.multipart import MAX_HEAD_BYTES, Scanner

EDGE = b"edge"
NEAR = [
    b"\r\n--edge",
    b"\r\n--edg",
    b"\r\n--",
    b"\r\n",
    b"\r",
    b"\n",
    b"--edge--",
    b"-",
    b"e",
    b"x" * 40,
    b"\r\r\n--ed",
]
contents = st.lists(st.sampled_from(NEAR), max_size=12).map(b"".join).filter(lambda found: b"\r\n--edge" not in found)


def read(body: bytes, sizes: list[int], boundary: bytes = EDGE) -> tuple[list[tuple[str, bytes]], bool]:
    """([(name, content)], whether the body was whole), fed in pieces of these sizes, in turn."""
    scanner, parts, turn = Scanner(boundary), list[tuple[str, bytes]](), 0
    is_open = False
    while body:
        size = sizes[turn % len(sizes)] if sizes else len(body)
        turn += 1
        # Behind the bytes that count stands what an earlier piece has left there.
        for event in scanner.feed(bytearray(body[:size] + b"\r\n--edge--"), len(body[:size])):
            if event is None:
                is_open = False
            elif isinstance(event, memoryview):
                name, content = parts[-1]
                parts[-1] = name, content + bytes(event)
            else:
                assert not is_open
                is_open = True
                parts.append((event.get("content-disposition", ""), b""))
        body = body[size:]
    return parts, scanner.is_over and not is_open


def body_of(parts: list[tuple[str, bytes]], *, tells_length: bool = False) -> bytes:
    written = b"".join(
        b"--edge\r\nContent-Disposition: %s\r\n%s: %d\r\n\r\n%s\r\n"
        % (name.encode(), b"Content-LENGTH" if tells_length else b"X", len(content), content)
        for name, content in parts
    )
    return written + b"--edge--\r\n"


@given(
    parts=st.lists(st.tuples(st.sampled_from(["a", "b c", "ü"]), contents), max_size=4),
    sizes=st.lists(st.integers(1, 30), max_size=5),
    preamble=st.sampled_from([b"", b"\r\n", b"read by nobody\r\n", b"--edg\r\n"]),
)
def test_what_was_written_is_read_however_it_comes(
    parts: list[tuple[str, bytes]], sizes: list[int], preamble: bytes
) -> None:
    assert read(preamble + body_of(parts) + b"epilogue\r\n--edge\r\n", sizes) == (parts, True)


@given(
    parts=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(st.sampled_from(NEAR)).map(b"".join)), max_size=4),
    sizes=st.lists(st.integers(1, 30), max_size=5),
)
def test_a_part_that_tells_its_length_may_hold_anything(parts: list[tuple[str, bytes]], sizes: list[int]) -> None:
    assert read(body_of(parts, tells_length=True), sizes) == (parts, True)


def test_a_part_that_tells_another_length_is_an_error() -> None:
    body = body_of([("a", b"content")], tells_length=True)
    with pytest.raises(ValueError, match="longer"):
        read(body.replace(b": 7", b": 6"), [3])
    assert not read(body.replace(b": 7", b": 99"), [3])[1]


@given(sizes=st.lists(st.integers(1, 30), max_size=5), cut=st.integers(1, 40))
def test_a_body_that_ends_early_is_not_whole(sizes: list[int], cut: int) -> None:
    body = body_of([("a", b"content" * 5)]).removesuffix(b"--\r\n")
    assert not read(body[:-cut], sizes)[1]
    assert not read(body, sizes)[1]


def test_a_part_without_headers_and_spaces_behind_an_edge() -> None:
    assert read(b"--edge \t\r\n\r\nx\r\n--edge--", [1]) == ([("", b"x")], True)


@pytest.mark.parametrize("body", [b"--edgeX\r\n\r\nx", b"--edge\r\nX: " + b"y" * MAX_HEAD_BYTES])
def test_what_is_no_multipart_body_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"edge|head"):
        read(body, [1000])
    with pytest.raises(ValueError, match="boundary"):
        Scanner(b"")
