"""Grading a class on many machines with Ray: one task for each submission.

This machine reads the submissions, computes once what the reference and the misconceptions give,
and writes all results. A task has its own sandbox on its node, of the same tier or not at all.
"""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from course.grader.class_folder import ClassFolder, Opened
from course.grader.grading import AssignmentGrader
from course.grader.plan import Plan
from course.grader.records import Record
from course.grader.sandbox import choose_tier
from course.grader.session import find_cards, find_references, free_slot, open_graders
from course.grader.submission_grading import References, SubmissionGrading
from hw.infrastructure.errors import MissingExtraError

# What nodes do not need of the repository. Their Python must have what requirements.txt pins.
LEFT_OUT = [".git", ".venv", "/site", "/data", "/docs", "/tests", "/benchmarks", "__pycache__"]
NUM_RETRIES = 2  # of a task whose node is lost


def grade_on_cluster(
    plan: Plan, root: Path, folder: ClassFolder, report: Callable[[str], None]
) -> None:
    """Grade on the cluster that `RAY_ADDRESS` names, or else on this machine's cores.

    Raises:
        MissingExtraError: ray is not installed.
    """
    ray = import_ray()
    num_graders = min(plan.jobs, len(plan.todos_due))
    with open_graders(plan, root, num_graders) as graders:
        folder.cards = find_cards(graders[0])
        references = find_references(graders, plan.todos_due, report)
        protections = graders[0].sandbox.protections
    opened = {n: found for n in folder.submissions if (found := folder.open(n, protections))}
    is_ours = not ray.is_initialized()
    if is_ours:
        runtime = {"working_dir": str(root), "excludes": LEFT_OUT}
        ray.init(
            num_cpus=num_cpus(plan), runtime_env=runtime, log_to_driver=False, logging_level="error"
        )
    try:
        grade = ray.remote(num_cpus=1, max_retries=NUM_RETRIES)(grade_on_node)
        shared_plan, shared_references = ray.put(plan), ray.put(references)
        tasks = {
            grade.remote(shared_plan, found, shared_references): name
            for name, found in opened.items()
        }
        while tasks:
            done, _ = ray.wait(list(tasks), num_returns=1)
            take_in(ray, done[0], opened[tasks.pop(done[0])].record, folder)
    finally:
        if is_ours:
            ray.shutdown()


def take_in(ray: ModuleType, task: object, record: Record, folder: ClassFolder) -> None:
    """Keep what a task has found; if it has failed, record that as a fault."""
    try:
        folder.close(Record(**json.loads(ray.get(task))))
    except Exception as error:
        folder.fail(record, error)


def grade_on_node(plan: Plan, opened: Opened, references: References) -> str:
    """Grade one submission in a sandbox on this node; the record as JSON.

    Raises:
        UserError: the tier does not work here.
    """
    root = Path(__file__).resolve().parents[2]
    os.chdir(root)
    tier = choose_tier(plan.tier, plan.tier)
    with free_slot() as slot, tempfile.TemporaryDirectory(prefix="grading_") as folder:
        grader = AssignmentGrader(plan.assignment, plan.seed, Path(folder), tier, root, slot)
        try:
            grading = SubmissionGrading(
                plan, grader, references, root, opened, save=lambda record: None
            )
            record = grading.run()
            record.provenance["protections"] = grader.sandbox.protections
            return json.dumps(asdict(record))
        finally:
            grader.close()


def num_cpus(plan: Plan) -> int | None:
    """Cores to use where Ray is started here; a cluster knows its own."""
    return None if os.environ.get("RAY_ADDRESS") else plan.jobs


def import_ray() -> ModuleType:
    """Ray, if it is installed.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--backend ray", "ray") from error
    return ray
