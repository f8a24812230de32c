"""A dataset, and a next version of it that stores only what changed."""

import tempfile
from pathlib import Path

from clearml import Dataset

folder = Path(tempfile.mkdtemp())
(folder / "train").mkdir()
(folder / "train" / "cats.txt").write_text("tabby\nsiamese\n")
(folder / "train" / "dogs.txt").write_text("poodle\n")

first = Dataset.create(dataset_name="animals", dataset_project="examples", dataset_tags=["names"])
first.add_files(folder)
first.upload(show_progress=False)
first.finalize()

(folder / "train" / "dogs.txt").write_text("poodle\nterrier\n")
(folder / "train" / "birds.txt").write_text("robin\n")
child = Dataset.create(dataset_name="animals", dataset_project="examples", parent_datasets=[first.id])
child.add_files(folder)
child.remove_files("train/cats.txt")
child.upload(show_progress=False)
child.finalize()

print("added", child.list_added_files(), "modified", child.list_modified_files(), "removed", child.list_removed_files())
print(
    "stands on", child.get_dependency_graph() == {first.id: [], child.id: [first.id]}, "chunks", child.get_num_chunks()
)
print("the first still has", sorted(Dataset.get(dataset_id=first.id).list_files()))
