"""Labels of a task's models, by name: what a class number means."""

from clearml import Task

task = Task.init(project_name="examples", task_name="labels", reuse_last_task_id=False)
task.connect_label_enumeration({"background": 0, "cat": 1, "dog": 2})
print(task.get_labels_enumeration(), task.get_num_of_classes())
task.close()
