"""What runs in a Gradescope container; see `make_autograder.py`."""
