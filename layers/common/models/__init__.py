"""All tables, as one database has one metadata. Who owns and may touch which: `common.models.ownership`."""

from common.models.accounts import Session, User
from common.models.audit import AuditEntry
from common.models.base import Base
from common.models.credentials import OneTimeToken, Password, RefreshToken, SigningKey, SigningSecret
from common.models.jobs import Job
from common.models.requests import IdempotencyKey, RateLimit

__all__ = [
    "AuditEntry",
    "Base",
    "IdempotencyKey",
    "Job",
    "OneTimeToken",
    "Password",
    "RateLimit",
    "RefreshToken",
    "Session",
    "SigningKey",
    "SigningSecret",
    "User",
]
