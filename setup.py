"""Installs the package `hw` and names its optional extras."""

from setuptools import find_packages, setup

setup(
    name="hw",
    version="0.1.0",
    description="Deep reinforcement learning: a homework scaffold and a fast, readable code base",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["hw", "hw.*"]),
    # The versions that are known to work stand in requirements.txt.
    install_requires=[
        "torch>=2.13",
        "numpy>=2",
        "gymnasium[mujoco,classic-control]>=1.4",
        "tensorboardX",
        "tensorboard",
        "pyyaml",
        "pydantic>=2",
        "tqdm",
        "pytest",
    ],
    extras_require={
        "atari": ["ale-py", "opencv-python-headless"],
        "box2d": ["gymnasium[box2d]"],
        "envpool": ["envpool>=1.2"],
        "video": ["moviepy>=2"],
        # rliable's older pandas calls do not work with 3.
        "plots": ["matplotlib", "rliable==1.2.0", "pandas<3", "jinja2"],
        "wandb": ["wandb"],
        "ray": ["ray==2.60.0", "optuna==5.0.0"],
        "grader": ["libcst", "jinja2"],
        "dev": ["ruff", "pre-commit", "pytest-xdist", "hypothesis"],
        "bench": ["stable-baselines3"],
        "docs": [
            "mkdocs",
            "mkdocs-material",
            "pymdown-extensions",
            "sphinx-mathjax-offline",
            "nbformat",
            "nbclient",
            "ipykernel",
        ],
    },
)
