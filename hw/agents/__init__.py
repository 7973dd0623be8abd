"""How to learn: one file for each algorithm."""
