from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class FileContent(Base):
    """Bytes that one or several files of an owner have, and what is known of them. Owner: files.

    `uploaded_sha256` is of what was uploaded, where that was verified; what is kept may be smaller, as
    private metadata is removed. `object_key` is null once a rejected content's bytes are removed.
    """

    __tablename__ = "file_contents"
    __table_args__ = (
        CheckConstraint("state in ('processing', 'ready', 'rejected')", name="state_known"),
        # Equal content is stored once.
        Index(
            "uq_file_contents_owner_id_uploaded_sha256",
            "owner_id",
            "uploaded_sha256",
            unique=True,
            postgresql_where=text("uploaded_sha256 is not null and state <> 'rejected'"),
        ),
        Index("ix_file_contents_owner_id", "owner_id"),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'processing'"))
    uploaded_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    size: Mapped[int] = mapped_column(BigInteger)
    object_key: Mapped[str | None] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(127))
    rejection: Mapped[str | None] = mapped_column(String(32))
    rejection_detail: Mapped[str | None] = mapped_column(String(500))
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    frames: Mapped[int | None] = mapped_column(Integer)
    pages: Mapped[int | None] = mapped_column(Integer)
    colours: Mapped[list[str]] = mapped_column(ARRAY(String(7)), server_default=text("'{}'"))
    thumbhash: Mapped[str | None] = mapped_column(String(64))
    camera: Mapped[str | None] = mapped_column(String(200))
    taken_at: Mapped[datetime | None]
    removed: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{}'"))
    renditions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[CreatedAt]
    processed_at: Mapped[datetime | None]


def _listed(name: str, *columns: str) -> Index:
    order = [text(each) for each in columns or (name,)]
    where = text("trashed_at is null")
    return Index(f"ix_files_owner_id_{name}_id", "owner_id", *order, "id", postgresql_where=where)


class File(Base):
    """A file as its owner sees it: a name for a content. Owner: files.

    `size` and `media_type` repeat the content's, so that lists are sorted and filtered by one index. What is
    looked for in many ways is in one index, with the owner: nobody's search reads others' files. `family` is
    the first half of the media type: a column, as Postgres counts its values only then.
    """

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_content_id", "content_id"),
        Index("ix_files_trashed_at", "trashed_at", postgresql_where=text("trashed_at is not null")),
        _listed("created_at"),
        _listed("name"),
        _listed("size"),
        _listed("family", "family", "created_at"),
        Index(
            "ix_files_owner_id_trashed_at_id",
            "owner_id",
            "trashed_at",
            "id",
            postgresql_where=text("trashed_at is not null"),
        ),
        Index(
            "ix_files_searched",
            "owner_id",
            "tags",
            "family",
            "media_type",
            text("lower(name) gin_trgm_ops"),
            postgresql_using="gin",
        ),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    content_id: Mapped[UUID] = mapped_column(ForeignKey("file_contents.id"))
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(127))
    family: Mapped[str] = mapped_column(
        String(127), Computed("split_part(media_type, '/', 1)", persisted=True)
    )
    size: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[str] = mapped_column(String(2000), server_default=text("''"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    custom: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    trashed_at: Mapped[datetime | None]


class Upload(Base):
    """Bytes on their way into the bucket, and the file that they become. Owner: files.

    `attributes` is what the file will be called. `claimed_until` says that a completion is under way.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("kind in ('direct', 'single', 'parts')", name="kind_known"),
        CheckConstraint("state in ('open', 'done', 'ended')", name="state_known"),
        Index("ix_uploads_owner_id_state", "owner_id", "state"),
        Index("ix_uploads_expires_at", "expires_at"),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8), server_default=text("'open'"))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    media_type: Mapped[str | None] = mapped_column(String(127))
    part_size: Mapped[int | None] = mapped_column(BigInteger)
    object_key: Mapped[str] = mapped_column(String(200))
    bucket_upload_id: Mapped[str | None] = mapped_column(String(1024))
    attributes: Mapped[dict[str, Any]]
    claimed_until: Mapped[datetime | None]
    file_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]


class StorageUsage(Base):
    """How many bytes an owner has, and has announced. Owner: files. `quota` replaces the setting's."""

    __tablename__ = "storage_usage"
    __table_args__ = (CheckConstraint("used >= 0 and reserved >= 0", name="not_negative"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    quota: Mapped[int | None] = mapped_column(BigInteger)


class StoredObject(Base):
    """A key of the bucket, on record before anything is put there and until it is surely gone. Owner: files.

    `pending` until something refers to it, and after `remove_after` nothing will; `kept`; `doomed`: to be
    removed. Until `writable_until` a presigned address can bring it back: it is removed again then. Until
    `claimed_until` somebody is making it, and others wait.
    """

    __tablename__ = "stored_objects"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'kept', 'doomed')", name="state_known"),
        Index("ix_stored_objects_content_id", "content_id"),
        Index("ix_stored_objects_remove_after", "remove_after", postgresql_where=text("state <> 'kept'")),
        Index("ix_stored_objects_owner_id", "owner_id"),
    )

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    owner_id: Mapped[UUID]
    content_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(String(8), server_default=text("'pending'"))
    created_at: Mapped[CreatedAt]
    remove_after: Mapped[datetime | None]
    writable_until: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
