from pydantic import BaseModel, Field


class ErrorDescription(BaseModel):
    """What went wrong."""

    message: str = Field(description="For a person.")
    type: str = Field(description="Its kind, as OpenAI names kinds.")
    param: str | None = Field(description="The member of the request that it is about.")
    code: str = Field(description="For a machine; stable within a version.")


class OpenAIError(BaseModel):
    """A refusal, in the form that OpenAI's clients know."""

    error: ErrorDescription
