"""What a script prints and logs is the console of its task, in order; texts can be reported past the terminal."""

import logging
import sys

from clearml import Task

task = Task.init(project_name="examples", task_name="console", reuse_last_task_id=False)
logger = task.get_logger()
print("printed")
print("two\nlines")
print("to stderr", file=sys.stderr)
sys.stdout.write("in ")
sys.stdout.write("parts\n")
for percent in (10, 50, 100):
    sys.stdout.write(f"\rprogress {percent} %")
print()
print("grüße, 世界 \x1b[31mred\x1b[0m")
logging.basicConfig(format="%(levelname)s of %(name)s: %(message)s", level=logging.INFO)
logging.getLogger("trainer").info("logged")
logger.report_text("reported")
logger.report_text("reported quietly", print_console=False)
logger.report_text("a warning", level=logging.WARNING, print_console=False)
print("without an end", end="")
task.close()
