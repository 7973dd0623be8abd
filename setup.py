"""Installs the package `hw` and names its optional extras."""

from setuptools import find_packages, setup

EXTRAS = {
    "video": ["moviepy"],
    "plots": ["matplotlib"],
    "wandb": ["wandb"],
    "dev": ["ruff", "pre-commit", "pytest-xdist", "hypothesis"],
    "bench": ["stable-baselines3"],
}

setup(
    name="hw",
    version="0.1.0",
    description="Deep reinforcement learning: a homework scaffold and a fast, readable code base",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["hw", "hw.*"]),
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
    extras_require=EXTRAS,
)
