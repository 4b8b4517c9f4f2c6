"""Who sees which conversations: the one rule, in every query that answers somebody."""

from uuid import UUID

from sqlalchemy import ColumnElement

from common.models import Conversation, Message


def conversations_of(user_id: UUID) -> ColumnElement[bool]:
    """A conversation is its owner's alone."""
    return Conversation.owner_id == user_id


def messages_of(user_id: UUID) -> ColumnElement[bool]:
    """And so is what was said in it."""
    return Message.owner_id == user_id
