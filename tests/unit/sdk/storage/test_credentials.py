"""Which credentials and options a URL of object storage gets."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_sdk.storage import progress
from clearml_sdk.storage.cache import SpaceLimits, parse_size
from clearml_sdk.storage.credentials import place_of
from clearml_sdk.storage.errors import StorageRefused
from clearml_sdk.storage.progress import bar, line

S3: dict[str, Any] = {
    "key": "all",
    "secret": "all-secret",
    "region": "eu-west-1",
    "extra_args": {"ServerSideEncryption": "AES256"},
    "credentials": [
        {"bucket": "own", "key": "own-key", "secret": "own-secret", "token": "own-token"},
        {"bucket": "own/deep", "key": "deep-key", "secret": "deep-secret", "acl": "private"},
        {"host": "minio:9000", "key": "minio-key", "secret": "minio-secret", "secure": False, "verify": False},
        {"host": "minio:9000", "bucket": "special", "key": "special-key", "secret": "s", "secure": True},
        {"bucket": "chain", "use_credentials_chain": True},
    ],
}


@pytest.mark.parametrize(
    ("url", "key", "endpoint"),
    [
        ("s3://other/x", "all", None),
        ("s3://own/x", "own-key", None),
        ("s3://own/deep/x", "deep-key", None),
        ("s3://own/deeper/x", "own-key", None),
        ("s3://minio:9000/any/x", "minio-key", "http://minio:9000"),
        ("s3://minio:9000/special/x", "special-key", "https://minio:9000"),
        ("s3://elsewhere:9000/own/x", "all", "https://elsewhere:9000"),
        ("s3://chain/x", None, None),
    ],
)
def test_s3_takes_the_entry_that_names_the_place_most_exactly(url: str, key: str | None, endpoint: str | None) -> None:
    place = place_of(url, {"aws": {"s3": S3}}, {})
    assert place.protocol == "s3" and place.options.get("key") == key
    assert place.options["client_kwargs"].get("endpoint_url") == endpoint
    assert place.options["s3_additional_kwargs"]["ServerSideEncryption"] == "AES256"
    assert place.path == url.removeprefix("s3://").removeprefix("minio:9000/").removeprefix("elsewhere:9000/")


def test_s3_options_of_an_entry() -> None:
    own = place_of("s3://own/x", {"aws": {"s3": S3}}, {}).options
    assert own["token"] == "own-token" and own["client_kwargs"] == {"region_name": "eu-west-1"}
    minio = place_of("s3://minio:9000/b/x", {"aws": {"s3": S3, "boto3": {"max_multipart_concurrency": 3}}}, {})
    assert minio.options["client_kwargs"]["verify"] is False and minio.options["max_concurrency"] == 3
    assert place_of("s3://own/deep/x", {"aws": {"s3": S3}}, {}).options["s3_additional_kwargs"]["ACL"] == "private"
    given = {"s3": [{"bucket": "own", "key": "script", "secret": "s"}]}
    assert place_of("s3://own/x", {"aws": {"s3": S3}}, given).options["key"] == "script"


def test_google_and_azure() -> None:
    google = {"project": "p", "credentials": [{"bucket": "b", "subdir": "in", "credentials_json": '{"type": "x"}'}]}
    assert place_of("gs://b/out", {"google": {"storage": google}}, {}).options == {"project": "p"}
    inside = place_of("gs://b/in/x", {"google": {"storage": google}}, {})
    assert inside.options == {"project": "p", "token": {"type": "x"}} and inside.path == "b/in/x"
    containers = [
        {"account_name": "acc", "account_key": "any"},
        {"account_name": "acc", "container_name": "c", "account_key": "own"},
    ]
    azure = {"azure": {"storage": {"containers": containers}}}
    place = place_of("azure://acc.blob.core.windows.net/c/x/y", azure, {})
    assert (place.protocol, place.path) == ("abfs", "c/x/y")
    assert place.options == {"account_name": "acc", "account_key": "own"}
    assert place_of("azure://acc.blob.core.windows.net/d/x", azure, {}).options["account_key"] == "any"
    assert place_of("azure://other/d/x", azure, {}).options == {"account_name": "other", "anon": False}
    with pytest.raises(StorageRefused, match="container"):
        place_of("azure://acc.blob.core.windows.net", azure, {})


def test_sizes_of_the_cache() -> None:
    assert [parse_size(text) for text in ("10GB", 5, "1.5 mb", "-1", "much")] == [10 << 30, 5, 3 << 19, -1, -1]
    assert SpaceLimits(None, None).excess(10, 0) == 0
    assert SpaceLimits(7, None).excess(10, 0) == 3
    assert SpaceLimits(None, 8).excess(10, 3) == 5
    assert SpaceLimits(None, 80).excess(10, 3) == 10, "no more than there is"


def test_a_bar_tells_how_far_a_transfer_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_chosen_mb", {})
    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    monkeypatch.setenv("CLEARML__SDK__STORAGE__LOG__REPORT_DOWNLOAD_CHUNK_SIZE_MB", "3")
    tell = bar("download", "http://h/big.bin", 10_000_000)
    assert tell is not None
    for _ in range(10):
        tell(1_000_000)
    shown = capsys.readouterr().err.splitlines()
    assert [text.partition("| ")[2].partition(" MB")[0] for text in shown] == [
        "3.0 of 10.0",
        "6.0 of 10.0",
        "9.0 of 10.0",
        "10.0 of 10.0",
    ]
    progress.choose_chunk("download", 0)
    assert bar("download", "http://h/big.bin", 10_000_000) is None
    assert bar("download", "small", 1000) is None and bar("download", "endless", None) is None
    assert line("upload", "s3://b/big.bin", 30_000_000, 60_000_000, 2.0) == (
        "ClearML upload big.bin |############............| 30.0 of 60.0 MB, 15.0 MB/s"
    )
