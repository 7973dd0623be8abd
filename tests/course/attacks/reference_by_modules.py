"""3 Looks for the reference among the imported modules, and calls it.

Tiers: best
"""

import sys


def max_values(q_values):
    for name, module in list(sys.modules.items()):
        if name.startswith(("course", "reference", "solution")):
            raise RuntimeError(f"breach: {name} is imported")
        found = vars(module).get("max_values")
        if getattr(found, "__code__", CODE) is not CODE and name != "recipes":
            return found(q_values)
    try:
        import course.assignments.hw3_dqn.probes as probes
    except ImportError:
        return q_values[:, 0] * 0
    raise RuntimeError(f"breach: {probes.__name__} can be imported")


CODE = max_values.__code__
