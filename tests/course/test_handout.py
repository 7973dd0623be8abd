"""Each hand-out: what it holds, what it hides, and that its blanks and only they are missing."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from course import make_handout as script
from course.handout.blanking import put_back
from course.handout.leaks import find_leaks
from course.handout.tree import make_handout
from course.manifest import Assignment, assignment_ids, load_assignment, load_course
from hw.infrastructure.errors import UserError

IDS = assignment_ids()


@pytest.fixture(scope="module", params=IDS)
def handout(request):
    return make_handout(load_assignment(request.param))


@pytest.fixture(scope="module")
def folder(handout, tmp_path_factory):
    """The hand-out, written down."""
    path = tmp_path_factory.mktemp(handout.assignment.id) / "handout"
    handout.write(path)
    return path


def run(folder, *words, text=None):
    """Run Python in a hand-out, as a student would; `text` is its standard input."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        input=text,
    )


def pytest_results(folder):
    """Outcome and message of each public test, by its name."""
    done = run(folder, "-m", "pytest", "-rA", "--tb=line", "-p", "no:cacheprovider")
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\S.*?)(?: - .*)?$", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    return {name: outcome for outcome, name in found}, done.stdout


def test_the_same_sources_give_the_same_bytes(handout):
    again = make_handout(handout.assignment)
    assert again.files == handout.files


def test_the_zip_holds_the_same_files_and_is_always_the_same(handout, tmp_path):
    handout.write_zip(tmp_path / "a.zip")
    handout.write_zip(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    name = handout.assignment.id
    assert found == {f"{name}/{path.as_posix()}": text for path, text in handout.files.items()}


def test_nothing_of_the_instructor_is_in_it(handout):
    for path, content in handout.files.items():
        assert path.parts[0] not in {"course", "benchmarks", "docs", ".git"}, path
        assert path.suffix != ".pyc"
        if path.suffix == ".py":
            text = content.decode()
            assert "import course" not in text, path
            assert "from course" not in text, path


def test_it_gives_nothing_away(handout):
    assert find_leaks(handout) == []


def test_a_leak_is_found(handout):
    solution = next(iter(next(iter(handout.solutions.values())).values()))
    leaky = make_handout(handout.assignment)
    leaky.files[Path("notes.md")] = solution.encode()
    assert any(leak.startswith("notes.md shows") for leak in find_leaks(leaky))


def test_its_figures_are_those_of_the_documentation(handout):
    for path, content in handout.files.items():
        if path.parts[0] == "figures":
            assert content == Path("docs/figures", path.name).read_bytes(), path


def test_later_code_is_absent(handout):
    course = load_course()
    for other in course:
        if other.id <= handout.assignment.id:
            continue
        for todo in other.todos:
            if todo.file in handout.files:
                text = handout.files[todo.file].decode()
                assert f"TODO({other.todo_id(todo)})" in text


def test_earlier_code_is_solved(handout):
    for other in load_course():
        if other.id < handout.assignment.id:
            for todo in other.todos:
                assert f"TODO({other.todo_id(todo)})" not in handout.files[todo.file].decode()


def test_putting_the_bodies_back_gives_the_sources_to_the_byte(handout):
    for path, bodies in handout.solutions.items():
        assert put_back(handout.files[path].decode(), bodies).encode() == path.read_bytes()


def test_every_module_imports_and_the_code_is_clean(folder):
    modules = sorted(path.relative_to(folder) for path in folder.glob("hw/**/*.py"))
    names = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in modules
        if path.name != "__main__.py"
    ]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = run(folder, "-c", code)
    assert done.returncode == 0, done.stderr
    done = run(folder, "-m", "ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


def test_every_public_test_fails_with_its_own_todo_and_passes_when_solved(handout, folder):
    assignment = handout.assignment
    names, output = pytest_results(folder)
    assert set(names.values()) == {"FAILED"}, output
    messages = re.findall(r"^E   (.*)$", output, re.M)
    due = {f"TODO({assignment.todo_id(todo)})" for todo in assignment.todos}
    seen = {re.match(r"NotImplementedError: (TODO\(.*?\))", text)[1] for text in messages}
    assert seen == due
    for path in handout.solutions:
        (folder / path).write_bytes(path.read_bytes())
    names, output = pytest_results(folder)
    assert set(names.values()) == {"PASSED"}, output
    for path in handout.solutions:
        (folder / path).write_bytes(handout.files[path])


def test_each_todo_can_be_solved_alone(handout, folder):
    """With one method filled in, its tests pass, and the others still say their own TODO."""
    code = ALONE.format(id=handout.assignment.id)
    done = run(folder, "-c", code, text=json.dumps(solutions(handout)))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


# In a fork for each TODO, from a process that has imported torch.
ALONE = """
import importlib, json, os, sys
import torch, gymnasium
sys.path[:0] = ["tests"]
failures = 0
for todo, module, file, source in json.loads(sys.stdin.read()):
    if os.fork() == 0:
        blank = open(file).read()
        open_source = compile(source, file, "exec")
        import importlib.abc, importlib.util
        class Source(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path, target=None):
                return importlib.util.spec_from_loader(name, self) if name == module else None
            def exec_module(self, loaded):
                loaded.__file__ = file
                exec(open_source, loaded.__dict__)
        sys.meta_path.insert(0, Source())
        import recipes
        from pathlib import Path
        from hw.homework.cases import load_cases
        from hw.homework.public_tests import check
        status = 0
        for id, cases in load_cases(Path("tests/cases.json")).items():
            for case in cases:
                try:
                    check(case, recipes.RECIPES[id.partition(".")[2]])
                    outcome = "passes"
                except BaseException as error:
                    outcome = str(error)
                wanted = outcome == "passes" if id == todo else outcome.startswith(f"TODO({{id}})")
                if not wanted:
                    print(f"with {{todo}} alone, {{id}}, {{case.name}}: {{outcome}}")
                    status = 1
        sys.stdout.flush()
        os._exit(status)
    failures += os.wait()[1] != 0
sys.exit(failures != 0)
"""


def solutions(handout):
    """For each TODO its id, module, file, and the source in which it alone is filled in."""
    assignment = handout.assignment
    rows = []
    for todo in assignment.todos:
        body = handout.solutions[todo.file][todo.name]
        source = put_back(handout.files[todo.file].decode(), {todo.name: body})
        module = ".".join(todo.file.with_suffix("").parts)
        rows.append((assignment.todo_id(todo), module, str(todo.file), source))
    return rows


def test_the_experiments_load_and_run_in_the_solved_tree(handout, tmp_path):
    handout.write(tmp_path / "handout")
    for path in handout.solutions:
        (tmp_path / "handout" / path).write_bytes(path.read_bytes())
    for experiment in handout.assignment.experiments:
        assert Path(experiment) in handout.files
    code = (
        "import sys; from pathlib import Path; from hw.env_configs.loading import load_config\n"
        "for path in sys.argv[1:]: load_config(Path(path))"
    )
    done = run(tmp_path / "handout", "-c", code, *handout.assignment.experiments)
    assert done.returncode == 0, done.stderr


def test_every_file_and_command_that_the_text_names_exists(handout):
    text = handout.files[Path("README.md")].decode()
    files = {path.as_posix() for path in handout.files}
    targets = set(re.findall(r"^(\w+):", handout.files[Path("Makefile")].decode(), re.M))
    for name in re.findall(r"(?:hw|experiments|tests)/[\w./]+\.(?:py|yaml|json)", text):
        assert name in files, name
    for target in re.findall(r"\bmake (\w+)", "\n".join(re.findall(r"`+([^`]+)`+", text))):
        assert target in targets, target
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or link in files, link


def test_the_points_add_up_and_no_method_is_blank_twice():
    course = load_course()
    methods = [todo.method for assignment in course for todo in assignment.todos]
    assert len(methods) == len(set(methods))


def test_the_command_line_writes_one_folder_for_each(tmp_path, capsys):
    assert script.main([IDS[0], "--out", str(tmp_path)]) == 0
    assert (tmp_path / IDS[0] / "README.md").exists()
    assert (tmp_path / f"{IDS[0]}.zip").exists()
    assert IDS[0] in capsys.readouterr().out
    with pytest.raises(UserError, match="exists already"):
        script.main([IDS[0], "--out", str(tmp_path)])
    with pytest.raises(UserError, match=f"choose from {', '.join(IDS)}"):
        script.main(["hw9_nothing", "--out", str(tmp_path)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"integration_points": 11}, "add up to 101"),
        ({"surprise": 1}, "surprise"),
        ({"todos": []}, "add up to 10"),
    ],
)
def test_a_wrong_manifest_is_refused(changes, words, tmp_path):
    content = yaml.safe_load(Path(f"course/assignments/{IDS[0]}/assignment.yaml").read_text())
    content["integration_points"] = 10
    target = tmp_path / "course/assignments/hw0" / "assignment.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(yaml.safe_dump(content | changes))
    with pytest.raises(UserError, match=words):
        load_assignment("hw0", tmp_path)


def test_an_assignment_names_its_todos_in_the_course():
    assignment = load_assignment(IDS[0])
    assert isinstance(assignment, Assignment)
    assert assignment.todo_id(assignment.todos[0]).startswith(f"{IDS[0]}.")
