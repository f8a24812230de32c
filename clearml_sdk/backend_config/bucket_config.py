"""Credentials of buckets and containers as objects, for `StorageHelper.add_configuration`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self


class BucketConfig:
    """What one place of object storage needs."""

    def update(self, **fields: Any) -> None:
        """Set fields. Raises AttributeError for one that there is not."""
        for name, value in fields.items():
            if not hasattr(self, name):
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)

    def entry(self) -> dict[str, Any]:
        """As the configuration has it."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}  # type: ignore[call-overload]


@dataclass
class S3BucketConfig(BucketConfig):
    """A bucket of S3, or of a service like it at `host` (`name:port`)."""

    bucket: str = ""
    subdir: str = ""
    host: str = ""
    key: str = ""
    secret: str = ""
    token: str = ""
    multipart: bool = True
    acl: str = ""
    secure: bool = True
    region: str = ""
    verify: bool | str | None = None
    use_credentials_chain: bool = False
    extra_args: dict[str, Any] | None = None
    profile: str = ""

    def is_valid(self) -> bool:
        """Whether it says how to log in."""
        return bool(self.use_credentials_chain or self.profile or (self.key and self.secret))

    def get_bucket_host(self) -> tuple[str, str]:
        """The bucket and the host."""
        return self.bucket, self.host

    @classmethod
    def from_list(cls, entries: Iterable[Mapping[str, Any]]) -> list[Self]:
        """Those of a list of the configuration's."""
        return [cls(**entry) for entry in entries]


@dataclass
class GSBucketConfig(BucketConfig):
    """A bucket of Google's storage."""

    bucket: str = ""
    subdir: str = ""
    project: str = ""
    credentials_json: str | None = None
    pool_connections: int | None = None
    pool_maxsize: int | None = None

    def is_valid(self) -> bool:
        """Whether it names a bucket."""
        return bool(self.bucket)


@dataclass
class AzureContainerConfig(BucketConfig):
    """A container of Azure's storage."""

    account_name: str = ""
    account_key: str | None = None
    container_name: str | None = None
    use_default_credential: bool = False

    def is_valid(self) -> bool:
        """Whether it says how to log in."""
        return bool(self.account_name and (self.account_key or self.use_default_credential))
