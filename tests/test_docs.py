"""Every snippet and command of the documents is executed, so that none can drift."""

import contextlib
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hw.env_configs.loading import bind, find_factory
from hw.infrastructure.logger import Logger
from hw.scripts import evaluate, plot, report, run, sweep

PAGES = [Path("README.md"), *sorted(Path("docs").glob("**/*.md"))]
READMES = sorted(Path("hw").glob("**/README.md"))
# A block whose first line names a file is that file: the reader is to write it.
FILE_NAME = re.compile(r"\A# ((?:hw|experiments)/[\w./]+)\n")
# Commands that other tests or CI run, or that wait for a person.
RUN_ELSEWHERE = {
    "make run",
    "make test",
    "make check",
    "make verify",
    "make bench",
    "make docs",
    "git clone",
    "cd hw",
    "tensorboard --logdir",
    "pip install",
    "python benchmarks/environments.py",
    "python benchmarks/harness.py",
    "python course/",  # in tests/course
}


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def files(page):
    """Files that a page has its reader write, by name."""
    found = [*blocks(page, "python"), *blocks(page, "yaml")]
    return {match[1]: block for block in found if (match := FILE_NAME.match(block))}


def run_with_files(page, words, folder):
    """Run Python on these words, in a copy of the package that holds the files of a page."""
    shutil.copytree("hw", folder / "hw", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files(page).items():
        assert not Path(name).exists(), f"{page} would overwrite {name}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True, timeout=120)


def short_settings(path):
    """Settings that let an experiment end soon, of those that it has."""
    experiment = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    budget = "total_episodes=2" if "total_episodes" in experiment else "total_steps=300"
    keys = inspect.signature(find_factory(experiment["base_config"])).parameters
    short = {"training_starts": 100, "random_steps": 50}
    if experiment["base_config"] == "pg":
        short["batch_size"] = 50
    return [
        budget,
        "num_eval_trajectories=1",
        *(f"{key}={value}" for key, value in short.items() if key in keys),
    ]


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
    assert (
        run.main(["-cfg", path, "--data_dir", str(data_dir), "--set", *short_settings(path)]) == 0
    )
    (found,) = data_dir.iterdir()
    return found


def short_sweep(path, folder):
    """The sweep's file, with trials that end soon and two values of each key."""
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    content["set"] = {"total_steps": 256, "num_eval_trajectories": 1, "log_interval": 64}
    content["grid"] = {key: values[:2] for key, values in list(content["grid"].items())[:2]}
    short = folder / Path(path).name
    short.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(short)


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    """A short study for commands that need one."""
    folder = tmp_path_factory.mktemp("study")
    path = short_sweep("experiments/sweeps/ppo_cartpole.yaml", folder)
    assert sweep.main(["-cfg", path, "--data_dir", str(folder)]) == 0
    return folder / "ppo_cartpole"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_run_in_order(page, tmp_path):
    if files(page):
        snippets = [block for block in blocks(page, "python") if not FILE_NAME.match(block)]
        run_with_files(page, ["-c", "\n".join(snippets)], tmp_path)
        return
    namespace = {"__name__": "__docs__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks(page, "python"):
            exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_complete_experiments_in_yaml_blocks_load(page):
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        if "base_config" in content and not FILE_NAME.match(block):
            bind(content)


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page in PAGES for command in commands(page)],
    ids=lambda value: value.stem if isinstance(value, Path) else value[:70],
)
def test_commands_run(page, command, run_dir, tmp_path, request):
    if any(command.startswith(start) for start in RUN_ELSEWHERE):
        if command.startswith("make "):
            targets = re.findall(r"^(\w+):", Path("Makefile").read_text(), flags=re.MULTILINE)
            assert command.split()[1] in targets
        return
    words = shlex.split(command)
    assert words[0] == "python", command
    if files(page):
        run_with_files(page, words[1:], tmp_path)
        return
    arguments = [str(run_dir) if word == "RUN_DIR" else word for word in words[2:]]
    if words[1] == "hw/scripts/run.py":
        if "--resume" in arguments:
            short = ["--set", "total_steps=350"]
        else:
            path = arguments[arguments.index("-cfg") + 1]
            short = ["--data_dir", str(tmp_path), "--set", *short_settings(path)]
        assert run.main([*arguments, *short]) == 0
    elif words[1] == "hw/scripts/evaluate.py":
        if "--episodes" in arguments:
            arguments[arguments.index("--episodes") + 1] = "1"
        assert evaluate.main(arguments) == 0
    elif words[1] == "hw/scripts/sweep.py":
        study = request.getfixturevalue("study_dir")
        arguments[1] = str(study.parent / "ppo_cartpole.yaml")
        is_new = "--resume" not in arguments
        name = ["--name", "another"] if is_new else []
        folder = tmp_path if is_new else study.parent
        assert sweep.main([*arguments, *name, "--data_dir", str(folder)]) == 0
    elif words[1] in ("hw/scripts/plot.py", "hw/scripts/report.py"):
        if "STUDY_DIR" in arguments:
            arguments[arguments.index("STUDY_DIR")] = str(request.getfixturevalue("study_dir"))
        if "--out" in arguments:
            arguments[arguments.index("--out") + 1] = str(tmp_path / Path(arguments[-1]).name)
        script = plot if words[1] == "hw/scripts/plot.py" else report
        assert script.main(arguments) == 0
    elif words[1].startswith("experiments/"):
        arguments = ["--total_steps", "1200", "--data_dir", str(tmp_path)]
        subprocess.run([sys.executable, words[1], *arguments], check=True, timeout=120)
    elif words[1] == "docs/make_figures.py":
        subprocess.run([sys.executable, words[1], "--out", str(tmp_path)], check=True, timeout=120)
    else:
        raise AssertionError(f"{page}: no test knows how to run {command!r}")


@pytest.mark.parametrize("page", [*PAGES, *READMES, Path("CONTRIBUTING.md")], ids=str)
def test_files_and_links_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page} links to {target}"
            assert not anchor or anchor in anchors(page.parent / target), f"{page}: #{anchor}"
    for name in re.findall(r"`((?:hw|docs|experiments|tests|benchmarks)/[\w./]+)`", text):
        if name not in files(page):
            assert Path(name).exists(), f"{page} names {name}"


def anchors(page):
    """What links to the headings of a page end in."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_rows_of_a_table_have_as_many_cells_as_its_head(page):
    num_cells = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            num_cells = None
            continue
        assert line.endswith("|"), f"{page}: {line}"
        found = len(re.findall(r"(?<!\\)\|", line))
        assert found == (num_cells or found), f"{page}: {line}"
        num_cells = found


@pytest.mark.parametrize(
    ("page", "path", "settings"),
    [
        ("policy_gradients", "pg/cartpole_gae", ["batch_size=50", "advantage_histogram_period=1"]),
        ("dqn", "dqn/cartpole_per", []),
        ("ppo", "ppo/cartpole", ["advantage_histogram_period=1"]),
        ("td3", "td3/pendulum", ["hidden_size=8", "use_prioritized_replay=true"]),
        ("sac", "sac/pendulum", ["hidden_size=8", "use_prioritized_replay=true"]),
        ("overview", "random/cartpole", []),
    ],
)
def test_every_value_that_is_logged_is_explained(page, path, settings, tmp_path, monkeypatch):
    logged = set()
    log_scalars = Logger.log_scalars

    def note(self, scalars, step):
        logged.update(scalars)
        log_scalars(self, scalars, step)

    monkeypatch.setattr(Logger, "log_scalars", note)
    path = f"experiments/{path}.yaml"
    settings = ["--set", *short_settings(path), "log_interval=100", *settings]
    assert run.main(["-cfg", path, "--data_dir", str(tmp_path), *settings]) == 0
    pages = [Path("docs/algorithms/overview.md"), Path(f"docs/algorithms/{page}.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert {"eval/return_mean", "train/num_updates"} <= logged
    assert logged <= set(re.findall(r"`([\w/]+)`", text))
    _, _, own = pages[1].read_text(encoding="utf-8").partition("## What it logs")
    first_cells = "".join(re.findall(r"^\|([^|]*)", own, flags=re.MULTILINE))
    assert set(re.findall(r"`([\w/]+)`", first_cells)) <= logged


@pytest.mark.parametrize("page", READMES, ids=str)
def test_a_folder_s_readme_is_under_a_page(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 50


def test_every_folder_of_the_package_has_a_readme():
    folders = {path.parent for path in Path("hw").glob("*/__init__.py")} | {Path("hw")}
    assert {path.parent for path in READMES} == folders
