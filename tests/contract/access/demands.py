"""What an operation demands of who calls it, read from its description."""

from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from common.permissions import ADMIN, MEMBER
from tests.contract.document import OPERATIONS, told_codes

type Json = Any
type SignIn = Literal["any", "live", "recent"]

_SIGN_IN: Final[dict[str | None, SignIn]] = {None: "any", "live": "live", "recent": "recent"}
# A lost role or a disabled account counts at once where these are needed.
ADMINISTRATIVE: Final = ADMIN - MEMBER - {"tokens:introspect"}


class NotUnderstood(Exception):
    """A description that these rules do not know: they need another."""


@dataclass(frozen=True)
class Demand:
    """`public`: nobody in particular. Otherwise a person or, with `keys`, a program that has all `scopes`."""

    public: bool
    scopes: frozenset[str]
    keys: bool
    sign_in: SignIn

    @classmethod
    def of(cls, operation: Json) -> Self:
        """Raises NotUnderstood for a scheme or a kind of sign-in that no rule knows."""
        schemes = {name: scopes for each in operation.get("security", []) for name, scopes in each.items()}
        if not schemes:
            return cls(public=True, scopes=frozenset(), keys=False, sign_in="any")
        if set(schemes) - {"AccessToken", "ApiKey"} or "AccessToken" not in schemes:
            raise NotUnderstood(f"security {operation['security']}")
        if operation.get("x-sign-in") not in _SIGN_IN:
            raise NotUnderstood(f"x-sign-in {operation['x-sign-in']}")
        return cls(
            public=False,
            scopes=frozenset(schemes["AccessToken"]),
            keys="ApiKey" in schemes,
            sign_in=_SIGN_IN[operation.get("x-sign-in")],
        )


@dataclass(frozen=True)
class Operation:
    """One operation, by its id in the document."""

    id: str
    method: str
    path: str
    described: Json
    demand: Demand

    @property
    def row(self) -> str:
        """The path parameter that names a row, after that of what it is in; empty where there is none.

        Raises NotUnderstood for two that have nothing to do with each other.
        """
        names = [each["name"] for each in self.described.get("parameters", []) if each["in"] == "path"]
        if len(names) > 1 and names != ["conversation_id", "message_id"]:
            raise NotUnderstood(f"{self.path} names two rows")
        return names[-1] if names else ""

    @property
    def successes(self) -> set[int]:
        """The statuses of success, of which one may lead elsewhere."""
        described = {int(status) for status in self.described["responses"]}
        return {status for status in described if status < 400} - {304}

    def status(self, code: str) -> int:
        """The status with which a code is described. Raises NotUnderstood where it is not."""
        for status, answer in self.described["responses"].items():
            if code in told_codes(answer):
                return int(status)
        raise NotUnderstood(f"{self.id} is not described to refuse with {code}")


def _of(name: str, operation: Json) -> Operation:
    method, _, path = name.partition(" ")
    return Operation(operation["operationId"], method, path, operation, Demand.of(operation))


BY_ID: Final = {operation["operationId"]: _of(name, operation) for name, operation in OPERATIONS.items()}
