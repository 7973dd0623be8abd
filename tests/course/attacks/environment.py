"""21 Reads secrets of the grader's environment."""

import os


def max_values(q_values):
    texts = [" ".join(f"{k}={v}" for k, v in os.environ.items())]
    for pid in ("self", "1", str(os.getppid())):
        try:
            with open(f"/proc/{pid}/environ") as file:
                texts.append(file.read())
        except OSError:
            continue
    if any("GRADER_SECRET" in text for text in texts):
        raise RuntimeError("breach: it sees the grader's environment")
    return q_values[:, 0] * 0
