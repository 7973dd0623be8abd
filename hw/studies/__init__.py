"""Many runs: sweeps, statistics, figures, reports."""
