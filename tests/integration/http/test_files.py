"""The file server: what clients do with it, and what nobody may."""

import http.client
import json
import os
import resource
import socket
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from .client import Answer, basic, multipart, raw, send


def headers(server: Any) -> dict[str, str]:
    return {"Authorization": basic(server.access_key, server.secret_key)}


def upload(server: Any, files: dict[str, bytes], **more: str) -> Answer:
    body, kind = multipart(files)
    return send(server.files, "/", body=body, Content_Type=kind, **{**headers(server), **more})


def get(server: Any, path: str, method: str = "GET", **more: str) -> Answer:
    return send(server.files, path, method=method, **{**headers(server), **more})


def test_what_is_uploaded_comes_back(server: Any) -> None:
    name = "/proj/sub/task ü+1.0123/artifacts/a b/f.bin"
    content = os.urandom(3_000_000)
    answer = upload(server, {name: content})
    assert (answer.status, answer.json) == (200, [name[1:]])
    path = "/proj/sub/task%20%C3%BC+1.0123/artifacts/a%20b/f.bin"
    found = get(server, path)
    assert (found.status, found.body) == (200, content)
    assert found.headers["content-length"] == str(len(content))
    head = get(server, path, method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(content)), b"")
    assert get(server, path + "?download").headers["content-disposition"].startswith("attachment")


def test_several_parts_and_an_overwrite(server: Any) -> None:
    assert upload(server, {"/multi/a": b"1", "/multi/b": b"22"}).json == ["multi/a", "multi/b"]
    upload(server, {"/multi/a": b"333"})
    assert get(server, "/multi/a").body == b"333"
    assert get(server, "/multi/b").body == b"22"


def test_an_empty_file_is_a_file(server: Any) -> None:
    assert upload(server, {"/empty/file": b""}).status == 200
    found = get(server, "/empty/file")
    assert (found.status, found.body) == (200, b"")


def test_gz_files_are_sent_as_they_are(server: Any) -> None:
    upload(server, {"/gz/data.csv.gz": b"\x1f\x8bnot really"})
    found = get(server, "/gz/data.csv.gz", Accept_Encoding="gzip")
    assert found.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in found.headers
    assert found.body == b"\x1f\x8bnot really"


def test_delete_and_delete_many(server: Any) -> None:
    upload(server, {"/del/a": b"1", "/del/b": b"2", "/del/c": b"3"})
    assert get(server, "/del/a", method="DELETE").status == 200
    assert get(server, "/del/a").status == 404
    assert get(server, "/del/a", method="DELETE").status == 404
    body = json.dumps({"files": ["del/b", "/del/c", "del/none", "../../etc/passwd"]}).encode()
    answer = send(server.files, "/delete_many", body=body, Content_Type="application/json", **headers(server)).json
    assert answer["deleted"] == {"del/b": "del/b", "/del/c": "del/c"}
    assert answer["errors"]["Not found"] == ["del/none"]
    assert not (server.data_dir / "files" / "del").exists()


def test_ping(server: Any) -> None:
    answer = send(server.files, "/", method="GET")
    assert (answer.status, answer.body) == (200, b"OK")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_nothing_without_credentials(server: Any, method: str) -> None:
    upload(server, {"/locked/file": b"1"})
    assert send(server.files, "/locked/file", method=method).status == 401
    assert send(server.files, "/locked/file", method=method, Authorization="Bearer junk").status == 401
    assert get(server, "/locked/file").body == b"1"


def test_a_cookie_reads_and_never_writes(server: Any) -> None:
    upload(server, {"/cookie/file": b"1"})
    cookie = f"clearml_token_basic={server.login()}"
    assert send(server.files, "/cookie/file", method="GET", Cookie=cookie).body == b"1"
    assert send(server.files, "/cookie/file", method="DELETE", Cookie=cookie, Origin=server.web).status == 401
    body, kind = multipart({"/cookie/file": b"evil"})
    assert send(server.files, "/", body=body, Content_Type=kind, Cookie=cookie, Origin=server.web).status == 401
    assert get(server, "/cookie/file").body == b"1"


OUTSIDE = [
    "/../credentials.json",
    "/../secret",
    "/a/../../credentials.json",
    "/%2e%2e/credentials.json",
    "/%2e%2e%2fcredentials.json",
    "/..%2fcredentials.json",
    "/.%2e/secret",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/%2fetc%2fpasswd",
    "/x%00/../../credentials.json",
    "/credentials.json%00.png",
    "/files/../../credentials.json",
]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_no_name_leads_out(server: Any, path: str, method: str) -> None:
    answer = get(server, path, method=method)
    assert answer.status in (400, 404)
    assert b"secret_key" not in answer.body and b"root:" not in answer.body
    assert (server.data_dir / "credentials.json").exists()
    via_web = send(server.web, f"/files{path}", method=method, **headers(server))
    assert via_web.status in (400, 404)


def test_a_name_encoded_twice_is_decoded_once(server: Any) -> None:
    upload(server, {"/twice/%2e%2e": b"a name with per cents"})
    assert get(server, "/twice/%252e%252e").body == b"a name with per cents"


@pytest.mark.parametrize(
    "name",
    ["/../escaped", "/a/../../escaped", "..", "", "/", "//tmp/escaped", "/a/\x01b", "/" + "x" * 300, "/.uploading-1"],
)
def test_no_upload_leads_out(server: Any, name: str) -> None:
    before = sorted(path.name for path in server.data_dir.iterdir())
    assert upload(server, {name: b"evil"}).status == 400
    assert sorted(path.name for path in server.data_dir.iterdir()) == before
    assert not Path("/tmp/escaped").exists()


def test_links_that_lead_out_are_refused(server: Any) -> None:
    files: Path = server.data_dir / "files"
    (files / "linked").symlink_to(server.data_dir)
    (files / "linked-file").symlink_to(server.data_dir / "credentials.json")
    try:
        for path in ("/linked/credentials.json", "/linked/store/pid", "/linked-file"):
            for method in ("GET", "HEAD", "DELETE"):
                assert get(server, path, method=method).status in (400, 404)
        assert upload(server, {"/linked/evil": b"x"}).status == 400
        assert upload(server, {"/linked-file": b"x"}).status == 400
        assert "secret_key" in (server.data_dir / "credentials.json").read_text()
    finally:
        (files / "linked").unlink()
        (files / "linked-file").unlink()


def test_a_folder_is_not_a_file(server: Any) -> None:
    upload(server, {"/folder/below/file": b"1"})
    for method in ("GET", "HEAD", "DELETE"):
        assert get(server, "/folder/below", method=method).status == 404
    assert upload(server, {"/folder/below": b"x"}).status == 400
    assert upload(server, {"/folder/below/file/deeper": b"x"}).status == 400
    assert get(server, "/folder/below/file").body == b"1"


@pytest.mark.parametrize("name", ["page.html", "image.svg", "page.xhtml", "data.xml", "script.js", "paper.pdf"])
def test_what_a_browser_could_run_is_only_downloaded(server: Any, name: str) -> None:
    upload(server, {f"/web/{name}": b"<script>alert(1)</script>"})
    for url, path in ((server.files, f"/web/{name}"), (server.web, f"/files/web/{name}")):
        said = send(url, path, method="GET", **headers(server)).headers
        assert said["content-disposition"].startswith("attachment")
        assert said["x-content-type-options"] == "nosniff"
        assert "sandbox" in said["content-security-policy"]
        assert said["content-type"] == "application/octet-stream"


def test_half_an_upload_leaves_nothing(server: Any) -> None:
    body, kind = multipart({"/half/file": b"x" * 100_000})
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {headers(server)['Authorization']}\r\n\r\n"
    )
    parts = urllib.parse.urlsplit(server.files)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        sock.sendall(head.encode() + body[:50_000])
    # The next upload into the same folder proves that the first one was cleared away.
    assert upload(server, {"/half/other": b"1"}).status == 200
    assert get(server, "/half/file").status == 404
    left = [path.name for path in (server.data_dir / "files" / "half").iterdir()]
    assert [name for name in left if not name.startswith(".uploading-")] == ["other"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"no boundary at all", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="/a"\r\n\r\nunended', "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
        (b"x", "multipart/form-data"),
    ],
)
def test_a_broken_upload_is_400(server: Any, body: bytes, kind: str) -> None:
    answer = send(server.files, "/", body=body, Content_Type=kind, **headers(server))
    assert answer.status == 400
    assert answer.json["error"]


def test_a_request_that_is_no_http_is_answered_in_json(server: Any) -> None:
    for url in (server.api, server.files, server.web):
        answer = raw(url, b"NONSENSE\r\n\r\n")
        assert answer.status == 400
        assert answer.json["meta"]["result_code"] == 400


def test_who_hangs_up_in_a_download_is_no_failure_of_ours(server: Any) -> None:
    upload(server, {"/hang/up": b"x" * 20_000_000})
    parts = urllib.parse.urlsplit(server.files)
    head = f"GET /hang/up HTTP/1.1\r\nHost: x\r\nAuthorization: {headers(server)['Authorization']}\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    assert get(server, "/hang/up", method="DELETE").status == 200
    assert "file operation failed" not in server.log


def test_a_part_of_a_file_is_sent_of_the_version_that_is_asked_for(server: Any) -> None:
    content = os.urandom(700_000)
    upload(server, {"/range/f.bin": content})
    whole = get(server, "/range/f.bin")
    assert whole.status == 200 and whole.headers["accept-ranges"] == "bytes"
    tag = whole.headers["etag"]
    assert get(server, "/range/f.bin", method="HEAD").headers["etag"] == tag
    part = get(server, "/range/f.bin", Range="bytes=300000-599999", If_Range=tag)
    assert (part.status, part.body) == (206, content[300_000:600_000])
    assert part.headers["content-range"] == "bytes 300000-599999/700000" and part.headers["content-length"] == "300000"
    assert get(server, "/range/f.bin", Range="bytes=-5").body == content[-5:]
    none = get(server, "/range/f.bin", Range="bytes=700000-")
    assert (none.status, none.headers["content-range"]) == (416, "bytes */700000")
    upload(server, {"/range/f.bin": content[::-1]})
    changed = get(server, "/range/f.bin", Range="bytes=300000-", If_Range=tag)
    assert (changed.status, changed.body) == (200, content[::-1]) and changed.headers["etag"] != tag


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size_bytes", [1_999_999, 2_097_152, 5_000_000, 9_437_184])
def test_a_large_file_is_stored_and_read_as_it_is(server: Any, size_bytes: int) -> None:
    # Of what the delimiter begins with, so much that blocks end within it.
    content = (os.urandom(50_000) + b"\r\n--edge012345678" * 3000) * (size_bytes // 98_000 + 1)
    content = content[:size_bytes]
    assert upload(server, {"/large/one": content, "/large/two": content[::-1]}).json == ["large/one", "large/two"]
    assert get(server, "/large/one").body == content
    assert get(server, "/large/two", Range="bytes=-700000").body == content[:700_000][::-1]
    assert files_under(server.data_dir / "files" / "large") == ["one", "two"]


def test_a_large_file_that_is_refused_is_answered(server: Any) -> None:
    assert upload(server, {"/../large": bytes(30_000_000)}).status == 400
    assert send(server.files, "/", body=bytes(30_000_000), **headers(server)).status == 400


def test_a_server_that_is_killed_in_an_upload_leaves_nothing_of_it(own_server: Any) -> None:
    assert upload(own_server, {"/kept/file": b"before"}).status == 200
    body, kind = multipart({"/kept/file": os.urandom(20_000_000)})
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {headers(own_server)['Authorization']}\r\n\r\n"
    )
    parts = urllib.parse.urlsplit(own_server.files)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
        sock.sendall(head.encode() + body[:15_000_000])  # more than all buffers on the way: it is being written
        own_server.kill()
    own_server.restart()
    assert get(own_server, "/kept/file").body == b"before"
    assert files_under(own_server.data_dir / "files") == ["kept/file"]


def test_an_upload_that_the_disk_refuses_is_answered_and_leaves_nothing(own_server: Any) -> None:
    pid, size = own_server.process.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, size)
    resource.prlimit(pid, size, (5_000_000, before[1]))
    for length in (6_000_000, 30_000_000):
        answer = upload(own_server, {"/refused/file": os.urandom(length)})
        assert answer.status == 500 and "could not be" in answer.json["error"]
    resource.prlimit(pid, size, before)
    assert files_under(own_server.data_dir / "files") == []
    assert upload(own_server, {"/refused/file": bytes(6_000_000)}).status == 200


def test_files_of_any_size_take_the_same_memory(own_server: Any) -> None:
    status = Path(f"/proc/{own_server.process.pid}/status")

    def peak_mb() -> float:
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024

    upload(own_server, {"/memory/small": bytes(10_000_000)})
    before = peak_mb()
    upload(own_server, {"/memory/large": bytes(60_000_000)})
    parts = urllib.parse.urlsplit(own_server.files)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", "/memory/large", headers=headers(own_server))
    answer, received = connection.getresponse(), 0
    while chunk := answer.read(1_000_000):
        received += len(chunk)
    connection.close()
    assert received == 60_000_000
    assert peak_mb() - before < 20
