"""Files in a store: sent, listed, fetched through the cache; the same calls for the files server, S3, GCS and Azure."""

from pathlib import Path

from clearml import StorageManager, Task

task = Task.init(project_name="examples", task_name="storage", reuse_last_task_id=False)
store = Path("store").resolve().as_uri()
Path("sent.txt").write_text("sent\n")
Path("many/inner").mkdir(parents=True, exist_ok=True)
Path("many/a.txt").write_text("a\n")
Path("many/inner/b.txt").write_text("b\n")

url = StorageManager.upload_file("sent.txt", f"{store}/one/sent.txt")
print("stored at", url == f"{store}/one/sent.txt")
StorageManager.upload_folder("many", f"{store}/many")
print("exists:", StorageManager.exists_file(url), StorageManager.exists_file(f"{store}/no.txt"))
print("size:", StorageManager.get_file_size_bytes(url))
print("copy:", Path(StorageManager.get_local_copy(url)).read_text())
print("fetched:", Path(StorageManager.download_file(url, "fetched", overwrite=True)).read_text())
print("folder:", sorted(Path(name).name for name in StorageManager.list(f"{store}/many")))
task.close()
