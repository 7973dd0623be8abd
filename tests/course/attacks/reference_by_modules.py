"""3 Looks for the reference among the imported modules, and calls it.

Tiers: best
"""

import sys


def max_values(q_values):
    for name, module in list(sys.modules.items()):
        if name.startswith(("course", "reference", "solution")):
            raise RuntimeError(f"breach: {name} is imported")
        found = vars(module).get("max_values")
        if callable(found) and name not in ("recipes", "hw.agents.functional.td"):
            return found(q_values)
    try:
        import course.assignments.hw3_dqn.probes as probes
    except ImportError:
        return q_values[:, 0] * 0
    raise RuntimeError(f"breach: {probes.__name__} can be imported")
