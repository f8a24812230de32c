"""Names on the file server stay inside its folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.http.files import decoded, file_headers
from control_plane.http.paths import BadName, inside, parts_of
from control_plane.http.storing import field_name

BAD = [
    "",
    "/",
    "..",
    "../x",
    "a/../../x",
    "/a/./b",
    "//etc/passwd",
    "a\0b",
    "a\nb",
    "x" * 300,
    "a/" * 3000,
    "\ud800",
]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        parts_of(name)


@pytest.mark.parametrize("name", ["/proj/sub/task name.0123/artifacts/ü/f+1%20.txt", "a\\b", "...", ".hidden", "a//b"])
def test_ordinary_names_are_kept(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path.resolve(), name).is_relative_to(tmp_path.resolve())


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = (tmp_path / "root").resolve()
    outside = tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("s")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for name in ("folder/secret", "file", "folder/new/deep"):
        with pytest.raises(BadName):
            inside(root, name)


@given(st.text(max_size=60))
def test_whatever_the_name_the_path_is_inside(name: str) -> None:
    root = Path("/srv/files-root")
    try:
        path = inside(root, name)
    except BadName:
        return
    assert path.is_relative_to(root) and path != root


def test_names_are_decoded_once() -> None:
    assert decoded("/a%20b+c%2541") == "/a b+c%41"
    with pytest.raises(BadName):
        decoded("/%ff")


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.js", "x.pdf", "x.xhtml", "x", "x.pkl", "x.css"])
def test_what_a_browser_could_run_is_an_attachment(name: str) -> None:
    headers = file_headers(name, wants_attachment=False)
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert not headers["Content-Type"].startswith(("text/html", "image/svg", "application/xhtml"))


def test_pictures_are_shown_and_archives_are_not_unpacked() -> None:
    assert file_headers("p.png", wants_attachment=False)["Content-Disposition"].startswith("inline")
    assert file_headers("p.png", wants_attachment=True)["Content-Disposition"].startswith("attachment")
    assert file_headers("a.tar.gz", wants_attachment=False)["Content-Type"] == "application/octet-stream"
    assert file_headers("a.csv.gz", wants_attachment=False)["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ('form-data; name="/a/b c"; filename="/other"', "/a/b c"),
        ('form-data; filename="/other"; name="/a"', "/a"),
        ('form-data; name="//a"', "//a"),
        ('form-data; name="/a\\b"', "/a\\b"),
        ('form-data; name="/a%22b"', '/a"b'),
        ('form-data; name="/a\\"b"', '/a"b'),
        ('form-data; name="/ü"', "/ü"),
        ('form-data; filename="only"', ""),
        ("", ""),
    ],
)
def test_the_fields_name_is_read_as_it_was_meant(said: str, name: str) -> None:
    assert field_name(said) == name
