"""Writes the evaluation curves of some runs as one small CSV file: seed, step, return_mean.

python docs/collect_curve.py RUN_DIR... --out docs/results/pendulum.csv
"""

import argparse
import csv
import json
from pathlib import Path

import yaml


def main() -> None:
    """Collect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for run_dir in args.run_dirs:
        seed = yaml.safe_load((run_dir / "config.yaml").read_text(encoding="utf-8"))["seed"]
        for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            metrics = json.loads(line)
            if "eval/return_mean" in metrics:
                rows.append((seed, metrics["step"], round(metrics["eval/return_mean"], 2)))
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("seed", "step", "return_mean"))
        writer.writerows(sorted(rows))


if __name__ == "__main__":
    main()
