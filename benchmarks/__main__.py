"""`scripts/bench [NAME] [--rounds N]`: run the benchmarks and print each as a ratio to the official package."""

from __future__ import annotations

import argparse
import importlib

BENCHMARKS = {
    "init": "import + Task.init, wall time",
    "sdk": "what the SDK costs a training script",
    "artifacts": "storing and reading artifacts",
    "api": "calls a second of one server process on one core",
    "datasets": "a dataset of many small files",
    "dispatch": "enqueue -> receipt by one of many idle agents",
    "console": "what a task that writes 10 MB of console a second costs its agent",
    "docker": "enqueue -> first line of user code in a container, warm, beside plain `docker run`",
    "footprint": "an idle server: memory, and its first answer after the start",
    "curves": "reading 10,000 reported points over HTTP",
    "pipelines": "what a pipeline adds to the work of its steps",
    "queries": "tasks.get_all_ex among 100,000 tasks",
    "segments": "sealed events at scale: 100,000,000 points, a console of 1 GB",
    "ingest": "storing reported points over HTTP",
    "environments": "a task's environment, beside uv alone (in the column of the official package)",
    "services": "idle services side by side under one agent: memory",
    "web": "what a person waits for at the web page among 100,000 tasks",
    "start": "enqueue -> first line of user code, warm environment",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS), help="only this one")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each side (default 5)")
    arguments = parser.parse_args()
    for name, title in BENCHMARKS.items():
        if arguments.name in (None, name):
            importlib.import_module(f"benchmarks.{name}").run(title, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
