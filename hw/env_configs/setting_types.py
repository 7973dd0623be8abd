"""Types of settings: what a factory's signature says about a value beyond int, float, bool, str."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hw.envs.vectorization import Vectorization as Vectorization


def _integral(value: object) -> object:
    """1e6 is an integer to whoever writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Int = Annotated[int, BeforeValidator(_integral)]

Count = Annotated[_Int, Field(ge=1, le=10**12)]
Natural = Annotated[_Int, Field(ge=0, le=10**12)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
# A list of names and of {name: {argument: value}}.
Wrappers = Sequence[str | dict[str, dict[str, Any]]]
Annealing = Literal["constant", "linear"]
# [[step, value], ...]
Points = list[Annotated[list[Number], Field(min_length=2, max_length=2)]]
