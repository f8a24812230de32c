"""`StorageHelper`: credentials given by scripts as objects of `clearml.backend_config.bucket_config`."""

from __future__ import annotations

from clearml_sdk.backend_config.bucket_config import AzureContainerConfig, GSBucketConfig, S3BucketConfig
from clearml_sdk.storage import credentials, transfer
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    Bucket = S3BucketConfig | GSBucketConfig | AzureContainerConfig

_known: list[Bucket] = []


class BucketSettings:
    """Credentials given here hold for this process, over those of the configuration."""

    @classmethod
    def add_configuration(
        cls, bucket_config: Bucket, log: logging.Logger | None = None, _test_config: bool = True
    ) -> None:
        """Use these credentials. _test_config: ask the bucket first whether it takes them; raises StorageError."""
        if isinstance(bucket_config, S3BucketConfig):
            scheme, url = "s3", cls.get_aws_storage_uri_from_config(bucket_config)
        elif isinstance(bucket_config, GSBucketConfig):
            scheme, url = "gs", cls.get_gcp_storage_uri_from_config(bucket_config)
        else:
            scheme, url = "azure", cls.get_azure_storage_uri_from_config(bucket_config)
        credentials.use(scheme, bucket_config.entry())
        if _test_config and getattr(bucket_config, "bucket", True):
            try:
                transfer.size(None, f"{url}/.clearml-test")
            except StorageError as error:
                if log is not None:
                    log.error("%s does not take these credentials: %s", url, error)
                raise
        _known.insert(0, bucket_config)

    @classmethod
    def add_aws_configuration(
        cls, bucket_config: S3BucketConfig, log: logging.Logger | None = None, _test_config: bool = True
    ) -> None:
        """Use these credentials for a bucket of S3."""
        cls.add_configuration(bucket_config, log, _test_config)

    @classmethod
    def add_gcp_configuration(cls, bucket_config: GSBucketConfig, log: logging.Logger | None = None) -> None:
        """Use these credentials for a bucket of Google's storage."""
        cls.add_configuration(bucket_config, log, _test_config=False)

    @classmethod
    def add_azure_configuration(cls, bucket_config: AzureContainerConfig, log: logging.Logger | None = None) -> None:
        """Use these credentials for a container of Azure's storage."""
        cls.add_configuration(bucket_config, log, _test_config=False)

    @classmethod
    def get_configuration(cls, bucket_config: Bucket) -> Any:
        """What was given here for the same place; None for nothing."""
        place = _place(bucket_config)
        return next((found for found in _known if type(found) is type(bucket_config) and _place(found) == place), None)

    @classmethod
    def get_aws_configuration(cls, bucket_config: S3BucketConfig) -> Any:
        """`get_configuration`."""
        return cls.get_configuration(bucket_config)

    @classmethod
    def get_gcp_configuration(cls, bucket_config: GSBucketConfig) -> Any:
        """`get_configuration`."""
        return cls.get_configuration(bucket_config)

    @classmethod
    def get_azure_configuration(cls, bucket_config: AzureContainerConfig) -> Any:
        """`get_configuration`."""
        return cls.get_configuration(bucket_config)

    @classmethod
    def get_aws_storage_uri_from_config(cls, bucket_config: S3BucketConfig) -> str:
        """The URL of the bucket (and folder)."""
        return _url("s3", bucket_config.host, bucket_config.bucket, bucket_config.subdir)

    @classmethod
    def get_gcp_storage_uri_from_config(cls, bucket_config: GSBucketConfig) -> str:
        """The URL of the bucket (and folder)."""
        return _url("gs", bucket_config.bucket, bucket_config.subdir)

    @classmethod
    def get_azure_storage_uri_from_config(cls, bucket_config: AzureContainerConfig) -> str:
        """The URL of the container."""
        return _url("azure", f"{bucket_config.account_name}{credentials.AZURE_HOST}", bucket_config.container_name)


def _place(bucket: Any) -> tuple[Any, ...]:
    return tuple(getattr(bucket, name, None) for name in ("host", "bucket", "account_name", "container_name"))


def _url(scheme: str, *parts: str | None) -> str:
    return f"{scheme}://" + "/".join(part.strip("/") for part in parts if part)
