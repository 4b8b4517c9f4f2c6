"""Quotas, and what was used."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from common.schemas import RequestModel, ResponseModel
from functions.ai.model_names import LONGEST, canonical
from functions.ai.schemas.chat import ModelName

_MOST = 10**15
_A_DATE = "must be a date, as in RFC 3339"


def _stored(name: str) -> str:
    found = canonical(name)
    if len(found) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters, with its tag")
    return found


def _a_day(value: object) -> object:
    # Pydantic would take seconds since 1970, also as text.
    if isinstance(value, int | float) or (isinstance(value, str) and len(value) != len("2026-11-22")):
        raise ValueError(_A_DATE)
    if isinstance(value, str) and value.count("-") != 2:
        raise ValueError(_A_DATE)
    return value


StoredModelName = Annotated[ModelName, AfterValidator(_stored)]
Day = Annotated[date, BeforeValidator(_a_day)]
Amount = Annotated[int, Field(ge=0, le=_MOST)]
Period = Literal["day", "month"]


class QuotaCreate(RequestModel):
    """A new quota: of an account, of a role, of an API key, or of everybody."""

    user_id: UUID | None = Field(None, examples=[None])
    role: str | None = Field(None, max_length=64, examples=["member"])
    api_key_id: UUID | None = Field(None, examples=[None])
    model: StoredModelName | None = Field(
        None, description="null: all models together.", examples=["llama3.2:3b"]
    )
    period: Period = Field(description="A calendar day or month in UTC.", examples=["day"])
    requests: Amount | None = Field(None, description="null: any number.", examples=[200])
    tokens: Amount | None = Field(
        None, description="Of prompts and answers together; null: any number.", examples=[100_000]
    )

    @model_validator(mode="after")
    def _is_of_one(self) -> Self:
        if sum(each is not None for each in (self.user_id, self.role, self.api_key_id)) > 1:
            raise ValueError("name at most one of user_id, role and api_key_id")
        return self


class QuotaChange(RequestModel):
    """What may be changed of a quota; a member that is left out stays as it is."""

    requests: Amount | None = Field(None, description="null: any number.", examples=[500])
    tokens: Amount | None = Field(None, description="null: any number.", examples=[250_000])


class QuotaRead(ResponseModel):
    """A quota."""

    id: UUID
    user_id: UUID | None = Field(examples=[None])
    role: str | None = Field(examples=["member"])
    api_key_id: UUID | None = Field(examples=[None])
    model: str | None = Field(description="null: all models together.", examples=["llama3.2:3b"])
    period: Period = Field(examples=["day"])
    requests: int | None = Field(description="null: any number.", examples=[200])
    tokens: int | None = Field(description="null: any number.", examples=[100_000])
    created_at: datetime
    updated_at: datetime


class QuotaQuery(BaseModel):
    """Which quotas."""

    user_id: UUID | None = Field(None, description="Those of this account.")
    role: str | None = Field(None, max_length=64, description="Those of this role.")
    api_key_id: UUID | None = Field(None, description="Those of this API key.")
    model: StoredModelName | None = Field(None, description="Those of this model.")


class Used(ResponseModel):
    """How much of a quota is used, by what was answered and what is under way."""

    limit: int | None = Field(description="null: any number.", examples=[200])
    used: int = Field(examples=[12])
    left: int | None = Field(description="null: any number.", examples=[188])


class QuotaState(ResponseModel):
    """A quota that applies to you."""

    of: Literal["account", "role", "everybody", "key"] = Field(description="Whose it is.", examples=["role"])
    model: str | None = Field(description="null: all models together.", examples=[None])
    period: Period = Field(examples=["day"])
    requests: Used
    tokens: Used
    ends_at: datetime = Field(description="When it starts anew.")


class AiUsageSum(ResponseModel):
    """What was used on a day, of a model, or by an account."""

    day: str | None = Field(None, description="With `by=day`.", examples=["2026-11-22"])
    model: str | None = Field(None, description="With `by=model`.", examples=["llama3.2:3b"])
    user_id: UUID | None = Field(None, description="With `by=user`.")
    requests: int = Field(examples=[12])
    prompt_tokens: int = Field(examples=[2600])
    completion_tokens: int = Field(examples=[3100])
    total_tokens: int = Field(examples=[5700])


class AiReserved(ResponseModel):
    """What is under way."""

    requests: int = Field(examples=[1])
    tokens: int = Field(description="Set aside for it.", examples=[8218])


class AiUsageRead(ResponseModel):
    """What was used in some days, what is under way, and how you stand."""

    first: str = Field(serialization_alias="from", description="The first day.", examples=["2026-11-01"])
    last: str = Field(serialization_alias="to", description="The last day.", examples=["2026-11-22"])
    by: Literal["day", "model", "user"] = Field(examples=["day"])
    items: list[AiUsageSum]
    next_cursor: str | None = Field(
        description="Of the page after this one; null on the last.", examples=["ZXhhbXBsZQ…"]
    )
    reserved: AiReserved
    quotas: list[QuotaState] = Field(description="Those that apply to the account; none of everybody's sum.")
