"""+ Raises its limits."""

import resource


def max_values(q_values):
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
        _, most = resource.getrlimit(limit)
        try:
            resource.setrlimit(limit, (most + 2**20, most + 2**20))
        except (OSError, ValueError):
            continue
        raise RuntimeError("breach: it can raise its limits")
    return q_values[:, 0] * 0
