"""What the painting process is told, and what it tells: one JSON object a line."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from engine.painting.request import Request


@dataclass(frozen=True)
class Paint:
    """Paint this. The next picture waits for the one before."""

    request: Request
    type: Literal["paint"] = "paint"


@dataclass(frozen=True)
class Cancel:
    """The picture that is being painted is not wanted any more."""

    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True)
class Loading:
    """The model is being loaded."""

    type: Literal["loading"] = "loading"


@dataclass(frozen=True)
class Previewed:
    """So many denoising steps are done. path: a small picture of how it looks, there for some steps more."""

    done: int
    total: int
    path: str
    type: Literal["previewed"] = "previewed"


@dataclass(frozen=True)
class Painted:
    """The picture is on the disk."""

    path: str
    type: Literal["painted"] = "painted"


@dataclass(frozen=True)
class Cancelled:
    """The picture was given up."""

    type: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True)
class Refused:
    """The picture cannot be painted, told in two sentences."""

    problem: str
    remedy: str
    type: Literal["refused"] = "refused"


Order = Paint | Cancel
Told = Loading | Previewed | Painted | Cancelled | Refused
ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="type")])
TOLD: TypeAdapter[Told] = TypeAdapter(Annotated[Told, Field(discriminator="type")])
