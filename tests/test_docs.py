"""Every snippet and command of the documents is executed, so that none can drift."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hw.env_configs.loading import bind
from hw.scripts import evaluate, run

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
READMES = sorted(Path("hw").glob("**/README.md"))
SHORT = ["total_steps=300", "training_starts=100", "random_steps=50", "num_eval_trajectories=1"]
# Commands that other tests or CI run, or that wait for a person.
RUN_ELSEWHERE = {
    "make run",
    "make test",
    "make check",
    "make verify",
    "make bench",
    "git clone",
    "cd hw",
    "tensorboard --logdir",
    "pip install",
}


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(page):
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.split("  #")[0].strip()
            if command and not command.startswith("#"):
                yield command


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A short run for commands that need one."""
    data_dir = tmp_path_factory.mktemp("docs")
    path = "experiments/sac/pendulum.yaml"
    assert run.main(["-cfg", path, "--data_dir", str(data_dir), "--set", *SHORT]) == 0
    (found,) = data_dir.iterdir()
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_run_in_order(page):
    namespace = {"__name__": "__docs__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks(page, "python"):
            exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_complete_experiments_in_yaml_blocks_load(page):
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        if "base_config" in content:
            bind(content)


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page in PAGES for command in commands(page)],
    ids=lambda value: value.stem if isinstance(value, Path) else value[:70],
)
def test_commands_run(page, command, run_dir, tmp_path):
    if any(command.startswith(start) for start in RUN_ELSEWHERE):
        if command.startswith("make "):
            targets = re.findall(r"^(\w+):", Path("Makefile").read_text(), flags=re.MULTILINE)
            assert command.split()[1] in targets
        return
    words = shlex.split(command)
    assert words[0] == "python", command
    arguments = [str(run_dir) if word == "RUN_DIR" else word for word in words[2:]]
    if words[1] == "hw/scripts/run.py":
        if "--resume" in arguments:
            short = ["--set", "total_steps=350"]
        else:
            short = ["--data_dir", str(tmp_path), "--set", *SHORT]
        assert run.main([*arguments, *short]) == 0
    elif words[1] == "hw/scripts/evaluate.py":
        if "--episodes" in arguments:
            arguments[arguments.index("--episodes") + 1] = "1"
        assert evaluate.main(arguments) == 0
    elif words[1] == "experiments/pendulum_sac.py":
        arguments = ["--total_steps", "1200", "--data_dir", str(tmp_path)]
        subprocess.run([sys.executable, words[1], *arguments], check=True, timeout=120)
    elif words[1] == "docs/make_figures.py":
        subprocess.run([sys.executable, words[1], "--out", str(tmp_path)], check=True, timeout=120)
    else:
        raise AssertionError(f"{page}: no test knows how to run {command!r}")


@pytest.mark.parametrize("page", [*PAGES, *READMES, Path("CONTRIBUTING.md")], ids=str)
def test_files_and_links_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page} links to {target}"
    for name in re.findall(r"`((?:hw|docs|experiments|tests|benchmarks)/[\w./]+)`", text):
        if name != "hw/envs/corridor.py":  # an example of a file to write
            assert Path(name).exists(), f"{page} names {name}"


@pytest.mark.parametrize("page", READMES, ids=str)
def test_a_folder_s_readme_is_under_a_page(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 50


def test_every_folder_of_the_package_has_a_readme():
    folders = {path.parent for path in Path("hw").glob("*/__init__.py")} | {Path("hw")}
    assert {path.parent for path in READMES} == folders
