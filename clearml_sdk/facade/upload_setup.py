"""Object storage for what a task or a reporter stores: chosen by its parts, with the credentials for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class UploadSetup:
    """Something with a `storage_uri`. Credentials given here hold for this process, over those of the configuration."""

    storage_uri: Any

    def setup_upload(
        self,
        bucket_name: str,
        host: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        multipart: bool = True,
        https: bool = True,
        region: str | None = None,
        verify: bool = True,
    ) -> None:
        """Store outputs in a bucket of S3, or of a service like it at `host` (`name:port`)."""
        entry = _s3(bucket_name, host, access_key, secret_key, None, region, multipart, https, verify, None)
        self._use("s3", entry, _s3_url(bucket_name, host, None))

    def setup_aws_upload(
        self,
        bucket: str,
        subdir: str | None = None,
        host: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        region: str | None = None,
        multipart: bool = True,
        secure: bool = True,
        verify: bool = True,
        profile: str | None = None,
    ) -> None:
        """Store outputs in `bucket/subdir` of S3, or of a service like it at `host` (`name:port`).

        Args:
            key, secret, token: None: as the configuration, or the machine, says.
            secure: TLS to `host`. verify: check its certificate.
            profile: of AWS's own configuration files.
        """
        entry = _s3(bucket, host, key, secret, token, region, multipart, secure, verify, profile)
        if subdir:
            entry["subdir"] = subdir
        self._use("s3", entry, _s3_url(bucket, host, subdir))

    def setup_gcp_upload(
        self,
        bucket: str,
        subdir: str = "",
        project: str | None = None,
        credentials_json: str | None = None,
        pool_connections: int | None = None,
        pool_maxsize: int | None = None,
    ) -> None:
        """Store outputs in `bucket/subdir` of Google's storage. credentials_json: a service account's file, or text."""
        entry = {"bucket": bucket, "subdir": subdir, "project": project, "credentials_json": credentials_json}
        self._use("gs", entry, f"gs://{bucket}/{subdir.strip('/')}".rstrip("/"))

    def setup_azure_upload(
        self,
        account_name: str,
        account_key: str | None = None,
        container_name: str | None = None,
        use_default_credential: bool = False,
    ) -> None:
        """Store outputs in a container of Azure's storage. use_default_credential: as the machine is logged in."""
        entry = {
            "account_name": account_name,
            "account_key": account_key,
            "container_name": container_name,
            "use_default_credential": use_default_credential,
        }
        place = f"azure://{account_name}.blob.core.windows.net"
        self._use("azure", entry, f"{place}/{container_name}" if container_name else place)

    def _use(self, scheme: str, entry: dict[str, Any], url: str) -> None:
        from clearml_sdk.storage import credentials

        credentials.use(scheme, {key: value for key, value in entry.items() if value is not None})
        self.storage_uri = url


def _s3_url(bucket: str, host: str | None, subdir: str | None) -> str:
    return "s3://" + "/".join(part.strip("/") for part in (host, bucket, subdir) if part)


def _s3(
    bucket: str,
    host: str | None,
    key: str | None,
    secret: str | None,
    token: str | None,
    region: str | None,
    multipart: bool,
    secure: bool,
    verify: bool,
    profile: str | None,
) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "host": host,
        "key": key,
        "secret": secret,
        "token": token,
        "region": region,
        "multipart": multipart,
        "secure": secure,
        "verify": verify,
        "profile": profile,
    }
