# How this autograder grades. A variable of the environment wins over what stands here.
export GRADER_ASSIGNMENT="@ASSIGNMENT@"
# Sandboxes of a lesser tier are refused: T3 has namespaces, T2 needs root only, T1 protects little.
export GRADER_REQUIRE_TIER="${GRADER_REQUIRE_TIER:-@REQUIRE_TIER@}"
# Less than the time limit of the assignment at Gradescope, at which a submission would get 0.
export GRADER_SECONDS="${GRADER_SECONDS:-@SECONDS@}"
# Of the hidden cases. Empty: new for each grading, and printed for instructors.
export GRADER_SEED="${GRADER_SEED-@SEED@}"
# Further words for grade.py.
export GRADER_OPTIONS="${GRADER_OPTIONS-@OPTIONS@}"
export GRADER_PYTHON="${GRADER_PYTHON:-/opt/grader/bin/python}"
export GRADER_SOURCE="${AUTOGRADER_ROOT:-/autograder}/source"
