"""Files that stay where they are: the dataset links to them, and a local copy fetches them."""

import tempfile
from pathlib import Path

from clearml import Dataset

store = Path(tempfile.mkdtemp())
(store / "a.csv").write_text("x,y\n1,2\n")
(store / "b.csv").write_text("x,y\n3,4\n")
(store / "notes.md").write_text("not wanted")

made = Dataset.create(dataset_name="linked tables", dataset_project="examples")
made.add_external_files(f"file://{store}", wildcard="*.csv", dataset_path="tables")
made.upload(show_progress=False)
made.finalize()

print("links", sorted(link.relative_path for link in made.link_entries), "stored", made.file_entries)
copied = Path(made.get_local_copy())
print("fetched", sorted(path.read_text() for path in copied.rglob("*.csv")))
