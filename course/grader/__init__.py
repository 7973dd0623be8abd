"""Grading: untrusted code computes in a sandbox, and the parent compares."""
