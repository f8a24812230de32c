"""Pictures as debug samples: of arrays, files and PIL; older ones make room beyond a chosen number."""

import numpy as np
from clearml import Task
from PIL import Image

task = Task.init(project_name="examples", task_name="images", reuse_last_task_id=False)
logger = task.get_logger()
ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))
colours = np.stack([ramp, ramp[:, ::-1], np.full_like(ramp, 128)], axis=-1)
logger.report_image("array", "grey", iteration=0, image=ramp)
logger.report_image("array", "colours", iteration=0, image=colours)
logger.report_image("array", "floats", iteration=0, image=colours / 255.0)
logger.report_image("PIL", "colours", iteration=0, image=Image.fromarray(colours))
Image.fromarray(colours).save("picture.png")
logger.report_image("file", "png", iteration=0, local_path="picture.png")
logger.report_image("link", "elsewhere", iteration=0, url="https://pictures.example.com/one.png")
for step in range(4):
    logger.report_image("history", "of two", iteration=step, image=ramp + 20 * step, max_image_history=2)
task.close()
