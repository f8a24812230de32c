"""Artifacts of each kind, stored and read back."""

from pathlib import Path

import numpy as np
from clearml import Task
from PIL import Image

task = Task.init(project_name="examples", task_name="artifacts of every type", reuse_last_task_id=False)
Path("notes.txt").write_text("a file\n")
Path("folder/inner").mkdir(parents=True, exist_ok=True)
Path("folder/one.txt").write_text("one\n")
Path("folder/inner/two.txt").write_text("two\n")

task.upload_artifact("dictionary", {"loss": 0.5, "layers": [16, 8]}, metadata={"kind": "settings"})
task.upload_artifact("as yaml", {"loss": 0.5, "names": ["a", "b"]}, extension_name=".yaml")
task.upload_artifact("text", "some text\nof two lines")
task.upload_artifact("array", np.arange(6.0).reshape(2, 3))
task.upload_artifact("picture", Image.new("RGB", (8, 4), (255, 0, 0)))
task.upload_artifact("file", "notes.txt")
task.upload_artifact("folder", Path("folder"))
task.upload_artifact("wildcard", "folder/*.txt")
task.upload_artifact("object", {1, 2, 3}, wait_on_upload=True)
task.upload_artifact("link", "https://data.example.com/train.zip")
task.upload_artifact("shown", [1, 2], preview="two numbers")
task.upload_artifact(
    "own format", [1, 2, 3], extension_name=".numbers", wait_on_upload=True,
    serialization_function=lambda numbers: bytes(numbers),
)  # fmt: skip
task.flush(wait_for_uploads=True)

stored = Task.get_task(task_id=task.id).artifacts
print("dictionary:", stored["dictionary"].get(), stored["dictionary"].metadata)
print("as yaml:", stored["as yaml"].get())
print("text:", stored["text"].get().splitlines())
print("array:", stored["array"].get().tolist())
print("picture:", stored["picture"].get().size)
print("file:", Path(stored["file"].get_local_copy()).read_text())
print("folder:", sorted(p.name for p in Path(stored["folder"].get_local_copy()).rglob("*.txt")))
print("object:", stored["object"].get())
print("own:", stored["own format"].get(deserialization_function=list))
task.close()
