"""Pipelines of functions that fail, are skipped, cached, tried again; each is run on this machine by name."""

import os
import sys

from clearml import PipelineController

OUT = os.environ["PIPELINE_OUT"]


def note(word):
    with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
        file.write(f"{word}\n")


def good(word, after=None):
    note(word)
    return word


def bad(word):
    note(word)
    raise RuntimeError(f"{word} failed")


def second_time(word):
    place = os.path.join(os.environ["PIPELINE_OUT"], f"mark-{word}")
    if not os.path.exists(place):
        open(place, "w").close()
        note(f"{word}-failed")
        raise RuntimeError("not yet")
    note(f"{word}-done")


def slow(word):
    import time

    note(word)
    time.sleep(100)


def tells(word):
    from clearml import PipelineController

    PipelineController.upload_artifact("from a step", {"word": word}, wait_on_upload=True)
    PipelineController.get_logger().report_single_value("told", 7)
    PipelineController.get_logger().flush()


def pipeline(name, **options):
    return PipelineController(name=name, project="automation", **options)


def add(pipe, name, function, **options):
    arguments = options.pop("arguments", {})
    pipe.add_function_step(
        name, function, function_kwargs={"word": name, **arguments}, helper_functions=[note], **options
    )


def failing():
    """A step fails: what waits for it is skipped, the rest goes on, the pipeline fails."""
    pipe = pipeline("failing")
    add(pipe, "bad", bad)
    add(pipe, "behind", good, parents=["bad"])
    add(pipe, "apart", good)
    return pipe


def tolerant():
    """A step may fail, and what waits for it runs."""
    pipe = pipeline("tolerant")
    add(pipe, "bad", bad, continue_behaviour={"skip_children_on_fail": False})
    add(pipe, "behind", good, parents=["bad"])
    return pipe


def retried():
    pipe = pipeline("retried")
    add(pipe, "one", second_time, retry_on_failure=1)
    add(pipe, "two", second_time, retry_on_failure=lambda pipeline, node, tries: tries < 1)
    return pipe


def called():
    """The user's functions are called, may change parameters, and may skip a step."""
    pipe = pipeline("called")

    def before(pipeline, node, parameters):
        if node.name == "left out":
            return False
        parameters["kwargs/word"] = "changed"
        return True

    def after(pipeline, node):
        note(f"after-{node.name}-{node.status}")

    def moved(pipeline, node, previous):
        note(f"{node.name}:{previous}->{node.status}")

    add(pipe, "one", good, pre_execute_callback=before, post_execute_callback=after, status_change_callback=moved)
    add(pipe, "left out", good, pre_execute_callback=before)
    return pipe


def limited():
    """A step takes too long: it is stopped, and with it all others."""
    pipe = pipeline("limited", abort_on_failure=True)
    add(pipe, "slow", slow, time_limit=1.5)
    add(pipe, "other", slow)
    add(pipe, "behind", good, parents=["slow"])
    return pipe


def endless():
    pipe = pipeline("endless")
    add(pipe, "slow", slow)
    return pipe


def telling():
    pipe = pipeline("telling")
    add(pipe, "tells", tells)
    return pipe


def cached():
    pipe = pipeline("cached")
    add(pipe, "one", good, cache_executed_step=True, function_return=["word"])
    add(pipe, "two", good, cache_executed_step=True, arguments={"after": "${one.word}"})
    return pipe


if __name__ == "__main__":
    pipe = globals()[sys.argv[1]]()
    pipe.start_locally(run_pipeline_steps_locally=True)
    print({name: node.status for name, node in pipe.get_pipeline_dag().items()})
    print("successful:", pipe.is_successful())
