"""How conversations refuse."""

from common.errors import BadRequest, Conflict, InvalidInput, TooManyRequests


class AnswerUnfinished(Conflict):
    """The message before is still being generated."""

    code = "answer_unfinished"
    detail = "The answer before this has not ended: wait for its end, or stop it."


class ConversationMoved(Conflict):
    """Something else was said meanwhile."""

    code = "conversation_moved"
    detail = "Something else was said meanwhile: read the conversation again, or name `parent_id`."


class ConversationTooLong(Conflict):
    """The branch has as many messages as one may have."""

    code = "conversation_too_long"
    detail = "This conversation is too long for another message: begin a new one."


class TooManyListeners(TooManyRequests):
    """So many connections listen to the message in this process that no other may."""

    code = "too_many_listeners"
    detail = "Too many of your connections listen to this message: close some of them."


class UnknownMessage(InvalidInput):
    """A message that is named is not one of this conversation, or not one that this can follow."""

    code = "unknown_message"
    detail = "Name a message of this conversation; what you say follows what a model said, or begins anew."


class BrokenEventId(BadRequest):
    """`Last-Event-ID` is not one of this stream."""

    code = "broken_event_id"
    detail = "`Last-Event-ID` is not of this stream: begin again without it."
