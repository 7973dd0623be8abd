"""Which pieces and numbers make up a run."""
