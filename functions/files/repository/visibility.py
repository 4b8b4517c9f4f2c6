"""Who sees which files: the one rule, in every query that answers somebody."""

from uuid import UUID

from sqlalchemy import ColumnElement

from common.models import File, Upload


def visible_to(user_id: UUID) -> ColumnElement[bool]:
    """The files of an owner; sharing will widen it."""
    return File.owner_id == user_id


def by_signed_link(file_id: UUID) -> ColumnElement[bool]:
    """The file that a link is about whose signature was checked: its bearer need not be anybody."""
    return File.id == file_id


def uploads_of(user_id: UUID) -> ColumnElement[bool]:
    """An upload is its owner's alone."""
    return Upload.owner_id == user_id
