"""All tables, as one database has one metadata. Who owns and may touch which: `common.models.ownership`."""

from common.models.accounts import Session, User
from common.models.ai_usage import AiModel, AiQuota, AiReservation, AiUsage, ModelPull
from common.models.api_keys import ApiKey
from common.models.audit import AuditEntry
from common.models.base import Base
from common.models.conversations import (
    Conversation,
    ConversationSummary,
    Generation,
    GenerationPart,
    Message,
)
from common.models.credentials import (
    OneTimeToken,
    Password,
    PendingRegistration,
    RefreshToken,
    SigningKey,
    SigningSecret,
)
from common.models.files import File, FileContent, StorageUsage, StoredObject, Upload
from common.models.invitations import BulkInvitation, BulkInvitationLine
from common.models.jobs import Job
from common.models.personal_data import ErasureReport, Export, ExportPart
from common.models.requests import IdempotencyKey, RateLimit
from common.models.roles import Role

__all__ = [
    "AiModel",
    "AiQuota",
    "AiReservation",
    "AiUsage",
    "ApiKey",
    "AuditEntry",
    "Base",
    "BulkInvitation",
    "BulkInvitationLine",
    "Conversation",
    "ConversationSummary",
    "ErasureReport",
    "Export",
    "ExportPart",
    "File",
    "FileContent",
    "Generation",
    "GenerationPart",
    "IdempotencyKey",
    "Job",
    "Message",
    "ModelPull",
    "OneTimeToken",
    "Password",
    "PendingRegistration",
    "RateLimit",
    "RefreshToken",
    "Role",
    "Session",
    "SigningKey",
    "SigningSecret",
    "StorageUsage",
    "StoredObject",
    "Upload",
    "User",
]
