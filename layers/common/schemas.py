"""What all request and response models share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that Postgres can store."""


class RequestModel(BaseModel):
    """The body of a request: an unknown member is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class ResponseModel(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(from_attributes=True)


class Message(ResponseModel):
    """One sentence for a person."""

    message: str
