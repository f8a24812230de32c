"""A copy to read, shared by all who use it, and a copy of one's own to change."""

import tempfile
from pathlib import Path

from clearml import Dataset

folder = Path(tempfile.mkdtemp())
for name in ("one", "two", "three"):
    (folder / f"{name}.txt").write_text(name)
made = Dataset.create(dataset_name="numbers", dataset_project="examples")
made.add_files(folder)
made.upload(show_progress=False)
made.finalize()

found = Dataset.get(dataset_project="examples", dataset_name="numbers")
shared = Path(found.get_local_copy())
print("read", sorted(path.read_text() for path in shared.iterdir()))

mine = Path(found.get_mutable_local_copy(tempfile.mkdtemp(), overwrite=True))
(mine / "one.txt").write_text("changed")
print("differs", found.verify_dataset_hash(str(mine)), "the shared one", found.verify_dataset_hash(str(shared)))
