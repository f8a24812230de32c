"""Projects hold projects; a task knows its own and may move to another."""

from clearml import Task

task = Task.init(project_name="examples/vision/segmentation", task_name="subprojects", reuse_last_task_id=False)
print("in", task.get_project_name())
print("known:", Task.get_project_id("examples/vision/segmentation") == task.project)
task.rename("subprojects: renamed")
task.move_to_project(new_project_name="examples/vision/detection")
print("now in", task.get_project_name())
task.close()
