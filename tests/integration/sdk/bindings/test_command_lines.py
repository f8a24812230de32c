"""click, fire, jsonargparse, absl and hydra: what they parsed is recorded, and replaced in a remote run, types kept."""

from __future__ import annotations

import pytest

from .conftest import INIT, Bench
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

CLICK = f"""
import click

@click.command()
@click.option("--lr", type=float, default=0.1, help="the rate")
@click.option("--steps", default=3)
@click.option("--flag/--no-flag", default=False)
@click.option("--tag", multiple=True)
@click.option("--none", type=int)
@click.argument("name")
def main(**values):
    Task.init("bindings", "click", {INIT})
    say(**values)
main()
"""

COMMANDS = f"""
import click

@click.group()
@click.option("--verbose", is_flag=True)
def cli(verbose):
    Task.init("bindings", "commands", {INIT})
    say(verbose=verbose)

@cli.command()
@click.option("--lr", type=float, default=0.1)
def train(lr):
    say(train=lr)

@cli.command()
@click.option("--k", type=int, default=1)
def test(k):
    say(test=k)
cli()
"""

FIRE = f"""
import fire

class Program:
    def __init__(self, seed=1):
        self.seed = seed
    def train(self, lr=0.1, name="x"):
        say(seed=self.seed, lr=lr, name=name)
    def test(self, k=1):
        say(k=k)
Task.init("bindings", "fire", {INIT})
fire.Fire(Program)
"""

JSONARGPARSE = f"""
from jsonargparse import CLI

def train(lr: float = 0.1, sizes: list[int] = [1], name: str | None = None):
    say(lr=lr, sizes=sizes, name=name)
def test(k: int = 1):
    say(k=k)
Task.init("bindings", "jsonargparse", {INIT})
CLI([train, test])
"""

ABSL = f"""
from absl import app, flags
flags.DEFINE_float("lr", 0.1, "the rate")
flags.DEFINE_list("names", ["a"], "names")
flags.DEFINE_multi_integer("sizes", [1], "sizes")
flags.DEFINE_string("needed", None, "needed")
flags.mark_flag_as_required("needed")

def main(argv):
    Task.init("bindings", "absl", {INIT})
    values = flags.FLAGS
    say(lr=values.lr, names=values.names, sizes=values.sizes, needed=values.needed)
app.run(main)
"""

HYDRA = f"""
import hydra
from omegaconf import OmegaConf

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    Task.init("bindings", "hydra", {INIT})
    say(config=OmegaConf.to_container(config))
main()
"""


@pytest.mark.rows("S2-I15")
def test_click_records_a_command_and_takes_edited_values(bench: Bench) -> None:
    task = bench.record(CLICK, "--lr", "0.5", "--tag", "a", "--tag", "b", "joe")
    assert task.parameters("Args") == {
        "lr": "0.5",
        "steps": "3",
        "flag": "False",
        "tag": "['a', 'b']",
        "none": "",
        "name": "joe",
    }
    assert task.document["hyperparams"]["Args"]["lr"]["description"] == "the rate"
    said = bench.run_edited(CLICK, task, {"Args/lr": "7", "Args/steps": "8", "Args/flag": "True"}).said
    assert said == {"lr": 7.0, "steps": 8, "flag": True, "tag": ["a", "b"], "none": None, "name": "joe"}
    assert isinstance(said["lr"], float)


def test_a_click_program_of_several_commands_runs_the_recorded_one(bench: Bench) -> None:
    task = bench.record(COMMANDS, "train", "--lr", "3")
    recorded = task.parameters("Args")
    assert recorded == {"cli/verbose": "False", "train": "True", "train/lr": "3.0", "test": "False"}
    assert bench.run_edited(COMMANDS, task, {"Args/train/lr": "4", "Args/cli/verbose": "True"}).said == {
        "verbose": True,
        "train": 4.0,
    }
    other = bench.run_edited(COMMANDS, task, {"Args/train": "False", "Args/test": "True"})
    assert other.said == {"verbose": False, "test": 1}


@pytest.mark.rows("S2-I15")
def test_fire_records_the_command_that_ran(bench: Bench) -> None:
    task = bench.record(FIRE, "train", "--lr=3")
    recorded = {"seed": "1", "train": "True", "test": "False", "train/lr": "3", "train/name": "x"}
    assert task.parameters("Args") == recorded, "and none of fire's own flags"
    said = bench.run_edited(FIRE, task, {"Args/seed": "9", "Args/train/lr": "0.5", "Args/train/name": "5"}).said
    assert said == {"seed": 9, "lr": 0.5, "name": "5"}, "a recorded text stays a text"


@pytest.mark.rows("S2-I15")
def test_jsonargparse_records_subcommands_by_dotted_names(bench: Bench) -> None:
    task = bench.record(JSONARGPARSE, "train", "--lr", "3", "--sizes", "[4, 5]")
    recorded = task.parameters("Args")
    assert (recorded["subcommand"], recorded["train.lr"], recorded["train.sizes"]) == ("train", "3.0", "[4, 5]")
    said = bench.run_edited(JSONARGPARSE, task, {"Args/train.lr": "5", "Args/train.name": "n"}).said
    assert said == {"lr": 5.0, "sizes": [4, 5], "name": "n"}


def test_absl_records_the_programs_flags_and_no_others(bench: Bench) -> None:
    task = bench.record(ABSL, "--needed", "n", "--names", "b,c")
    assert task.parameters("TF_DEFINE") == {"lr": "0.1", "names": "['b', 'c']", "sizes": "[1]", "needed": "n"}
    said = bench.run_edited(ABSL, task, {"TF_DEFINE/lr": "0.9", "TF_DEFINE/sizes": "[4, 5]"}).said
    assert said == {"lr": 0.9, "names": ["b", "c"], "sizes": [4, 5], "needed": "n"}


def write_configuration(bench: Bench) -> None:
    folder = bench.workplace.folder / "conf"
    (folder / "db").mkdir(parents=True)
    (folder / "config.yaml").write_text("defaults:\n  - db: mysql\n  - _self_\nlr: 0.1\nmodel:\n  layers: 3\n")
    (folder / "db" / "mysql.yaml").write_text("driver: mysql\n")
    (folder / "db" / "pg.yaml").write_text("driver: pg\n")


def test_hydra_records_overrides_and_the_whole_configuration(bench: Bench) -> None:
    write_configuration(bench)
    task = bench.record(HYDRA, "lr=0.5", "+extra=1", "db=pg")
    assert task.parameters("Hydra") == {"lr": "0.5", "extra": "1", "db": "pg", "_allow_omegaconf_edit_": "False"}
    assert "Args" not in task.document["hyperparams"], "Hydra's own arguments are none of the script's"
    whole = task.document["configuration"]["OmegaConf"]
    assert whole["type"] == "OmegaConf YAML"
    assert whole["value"] == "db:\n  driver: pg\nlr: 0.5\nmodel:\n  layers: 3\nextra: 1\n"
    said = bench.run_edited(HYDRA, task, {"Hydra/lr": "0.9", "Hydra/db": "mysql", "Hydra/model.layers": "7"}).said
    assert said["config"] == {"db": {"driver": "mysql"}, "lr": 0.9, "model": {"layers": 7}, "extra": 1}


def test_hydra_takes_an_edited_configuration_where_that_is_allowed(bench: Bench) -> None:
    write_configuration(bench)
    task = bench.record(HYDRA, "lr=0.5")
    configuration = task.document["configuration"]
    configuration["OmegaConf"]["value"] = configuration["OmegaConf"]["value"].replace("layers: 3", "layers: 77")
    bench.server.call("tasks.edit", {"task": task.id, "configuration": configuration, "force": True})
    assert bench.run_edited(HYDRA, task, {"Hydra/lr": "2"}).said["config"]["model"] == {"layers": 3}
    said = bench.run_edited(HYDRA, task, {"Hydra/lr": "2", "Hydra/_allow_omegaconf_edit_": "True"}).said
    assert said["config"]["model"] == {"layers": 77} and said["config"]["lr"] == 0.5


def test_each_job_of_a_hydra_multirun_is_a_task(bench: Bench) -> None:
    write_configuration(bench)
    ran = bench.run(HYDRA, "--multirun", "lr=1,2")
    ids = [line.split("id=")[1].strip() for line in ran.out.splitlines() if "task id=" in line]
    found = bench.server.call("tasks.get_all_ex", {"id": ids})["tasks"]
    assert sorted(one["hyperparams"]["Hydra"]["lr"]["value"] for one in found) == ["1", "2"]
    assert {one["status"] for one in found} == {"completed"}


def test_what_is_switched_off_is_not_recorded(bench: Bench) -> None:
    off = CLICK.replace("reuse_last_task_id", "auto_connect_arg_parser={'lr': False}, reuse_last_task_id")
    task = bench.record(off, "joe")
    assert "lr" not in task.parameters("Args") and task.parameters("Args")["name"] == "joe"
    flags = ABSL.replace("reuse_last_task_id", "auto_connect_frameworks={'tfdefines': False}, reuse_last_task_id")
    assert bench.record(flags, "--needed", "n").parameters("TF_DEFINE") == {}
