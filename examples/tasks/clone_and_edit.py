"""A copy of a task is a draft: its name, parameters, packages, container and place can be edited before it runs."""

from clearml import Task

task = Task.init(project_name="examples", task_name="clone and edit", reuse_last_task_id=False)
task.connect({"lr": 0.1, "layers": [16, 8]})
task.connect_configuration({"depth": 3}, name="network")
task.flush(wait_for_uploads=True)

copy = Task.clone(source_task=task, name="clone and edit: the copy", comment="with another learning rate")
copy.set_parameters({"General/lr": 0.01, "General/layers": "[32, 16]", "Extra/seed": 7})
copy.update_parameters({"Extra/note": "added"})
copy.set_parameter("Extra/epochs", 5, description="how often", value_type=int)
copy.delete_parameter("Extra/note")
copy.set_configuration_object("network", config_dict={"depth": 5})
copy.set_packages(["numpy>=1.20", "requests"])
copy.set_repo("https://git.example.com/team/models.git", branch="main")
copy.set_script(working_dir="src", entry_point="train.py")
copy.set_base_docker("python:3.12", docker_arguments="--ipc=host", docker_setup_bash_script=["apt update", "true"])
copy.add_tags(["edited"])
copy.move_to_project(new_project_name="examples/copies")
print("the copy is", copy.get_status(), "with", sorted(copy.get_parameters()))
task.close()
