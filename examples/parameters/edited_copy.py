"""An edited copy runs with its own values: the second run here is what an agent would do, simulated."""

from clearml import Task


def run():
    task = Task.init(project_name="examples", task_name="edited copy", reuse_last_task_id=False)
    settings = task.connect({"lr": 0.1, "epochs": 3, "layers": [16, 8], "name": "first", "amp": False})
    network = task.connect_configuration({"depth": 3}, name="network")
    print({name: (value, type(value).__name__) for name, value in sorted(settings.items())}, network["depth"])
    return task


task = run()
task.flush(wait_for_uploads=True)
copy = Task.clone(task, name="edited copy: the copy")
copy.update_parameters({"General/lr": 0.5, "General/layers": "[32]", "General/name": "second", "General/amp": True})
copy.set_configuration_object("network", config_dict={"depth": 7})
task.close()

Task.debug_simulate_remote_task(copy.id)
run().close()
