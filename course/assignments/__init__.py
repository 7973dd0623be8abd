"""The assignments: one folder each."""
