#!/usr/bin/env bash
# Runs once, as root, when Gradescope builds the image: a Python of its own with pinned packages.
set -euo pipefail
source "${AUTOGRADER_ROOT:-/autograder}/source/settings.sh"

is_new_enough() {
    command -v "$1" > /dev/null &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap
if ! is_new_enough python3; then
    apt-get install -y --no-install-recommends python3.11 python3.11-venv
fi
for python in python3 python3.13 python3.12 python3.11 none; do
    if is_new_enough "$python"; then break; fi
done
if [ "$python" = none ]; then
    echo "error: Python 3.11 or newer is needed; choose a newer base image" >&2
    exit 1
fi

"$python" -m venv "$(dirname "$(dirname "$GRADER_PYTHON")")"
pip=("$GRADER_PYTHON" -m pip install --quiet --no-cache-dir --disable-pip-version-check)
requirements="$GRADER_SOURCE/requirements-grading.txt"
# The build for CPUs is a tenth of the size.
"${pip[@]}" --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' "$requirements")"
"${pip[@]}" -r "$requirements"
"$GRADER_PYTHON" -c 'import torch, gymnasium, libcst, jinja2, pydantic, yaml'
chmod -R go= "$GRADER_SOURCE"
