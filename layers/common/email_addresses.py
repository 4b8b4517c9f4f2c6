"""Email addresses: one spelling for each, so that comparing bytes compares addresses."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

MAX_LENGTH: Final = 254


def normalise_email(text: str) -> str:
    """The one spelling of an address: NFC, lower case, the domain in its ASCII form.

    Local parts are case-sensitive by RFC 5321, but no provider of weight treats them so, and two accounts
    that differ by case are one person's. Raises ValueError with a sentence.
    """
    # Imported here: only what takes an address from a client pays for it.
    from email_validator import EmailNotValidError, validate_email

    try:
        valid = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    address = f"{valid.local_part}@{valid.ascii_domain}".lower()
    if len(address) > MAX_LENGTH:
        raise ValueError(f"The email address is longer than {MAX_LENGTH} characters.")
    return address


EmailAddress = Annotated[
    str,
    Field(max_length=320, examples=["ada@lambkin.example"], json_schema_extra={"format": "email"}),
    AfterValidator(normalise_email),
]
"""A field of a request that holds an address; its value is normalised."""
