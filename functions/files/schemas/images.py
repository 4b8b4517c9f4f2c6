from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from common.schemas import RequestModel, ResponseModel

LARGEST_SIDE = 4096
LONGEST_LINK_SECONDS = 30 * 86_400

type Fit = Literal["cover", "contain", "fill", "inside"]
type Format = Literal["auto", "webp", "avif", "jpeg", "png"]
type Gravity = Literal[
    "center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"
]

_SIDE = "Pixels before `dpr`; unset: as the proportions have it."


class ImageQuery(BaseModel):
    """A picture to be made of a file."""

    w: int | None = Field(None, ge=1, le=LARGEST_SIDE, description=f"Width. {_SIDE}", examples=[640])
    h: int | None = Field(None, ge=1, le=LARGEST_SIDE, description=f"Height. {_SIDE}", examples=[480])
    fit: Fit = Field(
        "inside",
        description="`cover` fills the box and crops, `contain` fills it with the whole picture and a "
        "border, `fill` stretches, `inside` fits into it. Only `cover` and `fill` enlarge.",
    )
    gravity: Gravity = Field("center", description="Which part `cover` keeps.")
    format: Format = Field("auto", description="`auto`: the best of WebP, JPEG and PNG that `Accept` takes.")
    q: int = Field(80, ge=1, le=100, description="Quality; PNG has none.")
    dpr: Annotated[float, Field(ge=1, le=3, multiple_of=0.5)] = Field(
        1, description="Device pixels for each."
    )


class SignedImageQuery(ImageQuery):
    """A picture for whoever has the link."""

    expires: int = Field(
        ge=0, le=2**40, description="Until when, in seconds since 1970.", examples=[1_795_341_330]
    )
    signature: str = Field(
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Of all the rest.",
        examples=["pMhEP0c8cZmYtAx1kq5uZ0cWVbB3bq4N"],
    )


class ImageLinkWanted(RequestModel):
    """The picture that a link is to show, and for how long."""

    w: int | None = Field(None, ge=1, le=LARGEST_SIDE, description=f"Width. {_SIDE}", examples=[640])
    h: int | None = Field(None, ge=1, le=LARGEST_SIDE, description=f"Height. {_SIDE}", examples=[480])
    fit: Fit = Field("inside", examples=["cover"])
    gravity: Gravity = Field("center", examples=["center"])
    format: Format = Field("auto", examples=["auto"])
    q: int = Field(80, ge=1, le=100, examples=[80])
    dpr: Annotated[float, Field(ge=1, le=3, multiple_of=0.5)] = Field(1, examples=[2])
    seconds: int = Field(
        86_400, ge=60, le=LONGEST_LINK_SECONDS, description="How long the link works.", examples=[86_400]
    )


class ImageLink(ResponseModel):
    """A link that shows one picture to whoever has it."""

    url: str = Field(examples=["https://api.example/v1/files/…/public-image?w=640&expires=…&signature=…"])
    expires_at: datetime
