"""Without a server: a run is kept in a folder, and sent as a task later."""

import numpy as np
from clearml import Task

Task.set_offline(True)
task = Task.init(project_name="examples", task_name="offline session", tags=["offline"])
task.connect({"lr": 0.1})
logger = task.get_logger()
for step in range(3):
    logger.report_scalar("loss", "train", value=1 / (step + 1), iteration=step)
logger.report_confusion_matrix("confusion", "digits", matrix=[[2, 0], [1, 3]], iteration=0)
logger.report_image("pictures", "ramp", iteration=0, image=np.tile(np.arange(32, dtype=np.uint8), (8, 1)))
task.upload_artifact("result", {"loss": 1 / 3})
print("recorded without a server")
folder = task.get_offline_mode_folder()
task.close()

Task.set_offline(False)
sent = Task.import_offline_session(f"{folder}.zip")
print(Task.get_task(task_id=sent).name)
