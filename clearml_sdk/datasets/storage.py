"""`Dataset`: a version is stored, finished and published, and copied to this machine."""

from __future__ import annotations

import os

from clearml_sdk.datasets import recipe
from clearml_sdk.datasets.base import DatasetBase
from clearml_sdk.datasets.finishing import finalize, publish
from clearml_sdk.datasets.stored import FINAL_STATUSES, human_size
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.notices import announce, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


class DatasetStorage(DatasetBase):
    """Where the files of a version are."""

    def upload(
        self,
        show_progress: bool = True,
        verbose: bool = False,
        output_url: str | None = None,
        compression: str | None = None,
        chunk_size: int | None = None,
        max_workers: int | None = None,
        retries: int = 3,
        preview: bool = True,
        upload_as_external_links: bool = False,
    ) -> bool | None:
        """Store what is not stored yet; what an interrupted upload has stored is not sent again.

        Args:
            output_url: where to, from now on; None: where it was created for.
            compression: name of a method of `zipfile`, such as "ZIP_STORED"; None: deflate.
            chunk_size: MB of files in an archive; None: as configured (512); -1: one archive.
            preview: report samples of pictures, media and tables for the page.
            upload_as_external_links: store each file by itself, and link to it.

        Returns True. Raises UsageError for a file that has changed or gone since it was added, StorageError.
        """
        from clearml_sdk.datasets.uploading import UploadWish, upload

        if not self._stored.state.is_dirty and self.is_final():
            return True
        self._stored.check_open()
        wish = UploadWish(
            output_url=output_url,
            compression=compression,
            chunk_mb=chunk_size,
            workers=max_workers,
            retries=retries,
            as_links=upload_as_external_links,
            show_progress=show_progress,
            say=self._tell,
            verbose=verbose,
        )
        if preview and self._stored.state.is_dirty:
            from clearml_sdk.datasets import previews

            previews.report(self._stored, self.get_logger(), self._stored.state.pending)
        done = upload(self._stored, wish)
        recipe.append(self._stored.record, "upload", output_url=output_url, compression=compression)
        average = f" (average size {human_size(done.size_bytes // done.chunks)})" if done.chunks else ""
        self._tell(
            f"File compression and upload completed: total size {human_size(done.size_bytes)}, "
            f"{done.chunks} chunk(s) stored{average}"
        )
        return True

    def finalize(self, verbose: bool = False, raise_on_error: bool = True, auto_upload: bool = False) -> bool:
        """Finish the version: it can be used, and not be changed any more.

        auto_upload: store first what is not stored yet. Returns whether it is finished; an error is raised unless
        `raise_on_error` is False.
        """
        stored = self._stored
        status = stored.status()
        if status in FINAL_STATUSES:
            raise UsageError(f"dataset {stored.id} is finished already ({status})")
        if stored.state.is_dirty:
            if not auto_upload:
                return self._refuse(
                    f"dataset {stored.id} has files to be uploaded: call upload(), or finalize(auto_upload=True)",
                    raise_on_error,
                )
            self._tell(f"Pending uploads, starting dataset upload to {self.get_default_storage()}")
            self.upload(verbose=verbose)
        stored.check_open()
        recipe.append(stored.record, "finalize")
        finalize(stored, self.get_logger())
        return True

    def publish(self, raise_on_error: bool = True) -> bool:
        """Publish a finished version: its record is locked from then on."""
        status = self._stored.status()
        if status == "published":
            return True
        if status not in FINAL_STATUSES:
            return self._refuse(
                f"dataset {self.id} is {status}: only a finished one can be published, call finalize() first",
                raise_on_error,
            )
        return publish(self._stored)

    # Copies on this machine.

    def get_local_copy(
        self,
        use_soft_links: bool | None = None,
        part: int | None = None,
        num_parts: int | None = None,
        raise_on_error: bool = True,
        max_workers: int | None = None,
        files: list[str] | None = None,
    ) -> str:
        """The folder of a copy in the cache, for reading only: versions share their files there.

        Args:
            use_soft_links: link to the shared files; None: give them a second name (hard links).
            part, num_parts: some of the chunks: part number (from 0) of so many (None: as many as chunks).
            files: only these: paths, folders, wildcards.
            raise_on_error: otherwise None is returned, with a warning.

        Raises UsageError for a version that is not finished, StorageError, ArchiveError.
        """
        from clearml_sdk.datasets.copies import CopyWish, local_copy

        wish = CopyWish(
            part=part, num_parts=num_parts, files=files, soft_links=bool(use_soft_links), workers=max_workers
        )
        try:
            return local_copy(self._stored, wish)
        except (ClearmlError, ValueError, OSError) as error:
            if raise_on_error:
                raise
            warn_once(f"copy {self.id}", f"there is no copy of dataset {self.id}: {error}")
            return None  # type: ignore[return-value]  # as documented

    def get_mutable_local_copy(
        self,
        target_folder: str | Path,
        overwrite: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        raise_on_error: bool = True,
        max_workers: int | None = None,
    ) -> str | None:
        """Write the files into a folder, to be changed there; returns its path.

        overwrite: what is in the folder goes first; otherwise it has to be empty. Others as `get_local_copy`.
        """
        from clearml_sdk.datasets.copies import CopyWish, mutable_copy

        wish = CopyWish(part=part, num_parts=num_parts, workers=max_workers)
        try:
            return mutable_copy(self._stored, os.fspath(target_folder), wish, overwrite=overwrite)
        except (ClearmlError, ValueError, OSError) as error:
            if raise_on_error:
                raise
            warn_once(f"copy {self.id}", f"there is no copy of dataset {self.id}: {error}")
            return None

    def verify_dataset_hash(
        self, local_copy_path: str | None = None, skip_hash: bool = False, verbose: bool = False
    ) -> list[str]:
        """Paths of files that are missing in a folder (None: the local copy), or are not those of the dataset.

        skip_hash: compare sizes only. verbose: print what is wrong.
        """
        from clearml_sdk.datasets.verifying import verify

        return verify(self._stored, local_copy_path, sizes_only=skip_hash, say=announce if verbose else None)
