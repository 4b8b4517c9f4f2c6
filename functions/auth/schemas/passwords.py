from typing import Annotated

from pydantic import AfterValidator, Field

from functions.auth.passwords import normalise_password

NewPassword = Annotated[
    str,
    Field(
        max_length=1024, examples=["correct horse battery staple"], json_schema_extra={"format": "password"}
    ),
    AfterValidator(normalise_password),
]
# Rules of length bind new passwords only: a wrong one that breaks them is still just wrong.
GivenPassword = Annotated[
    str,
    Field(
        max_length=1024, examples=["correct horse battery staple"], json_schema_extra={"format": "password"}
    ),
]
