"""How `files` refuses."""

from common.errors import (
    AppError,
    Conflict,
    ContentTooLarge,
    Forbidden,
    InvalidInput,
    NotFound,
    UnsupportedMediaType,
)


class QuotaExceeded(ContentTooLarge):
    """There is no room for so much."""

    code = "quota_exceeded"
    detail = "That is more than your storage has room for: see `GET /v1/files/usage`, or empty the trash."


class TypeNotAllowed(UnsupportedMediaType):
    """The content is of a type that may not be uploaded here."""

    code = "type_not_allowed"
    detail = "Files of this type may not be uploaded here."


class TypeMismatch(UnsupportedMediaType):
    """The content is not what it was said to be."""

    code = "type_mismatch"
    detail = "The content is of another type than was said."


class NoUpload(NotFound):
    """No such upload, or not the caller's."""

    code = "no_upload"
    detail = "There is no such upload, or it has ended."


class TooManyUploads(Conflict):
    """More uploads under way than one account may have."""

    code = "too_many_uploads"
    detail = "Too many uploads are under way: complete or abort some of them."


class NotArrived(Conflict):
    """The bucket does not have all of it."""

    code = "not_arrived"
    detail = "The bucket does not have all of it yet: send what is missing, then complete again."


class CompletionInFlight(Conflict):
    """Another request is completing it."""

    code = "completion_in_flight"
    detail = "Another request is completing this upload: wait for its answer, or repeat in a minute."


class ChecksumMismatch(InvalidInput):
    """What the bucket has is not what was announced."""

    code = "checksum_mismatch"
    detail = "The bytes in the bucket are not those that were announced: send them again."


class NotInParts(Conflict):
    """The upload has no parts."""

    code = "not_in_parts"
    detail = "This upload is a single request: see its `request`."


class StillProcessing(Conflict):
    """The content has not been looked at yet."""

    code = "still_processing"
    detail = "The file is being looked at: its content is given out when it is `ready`."


class ContentRejected(Conflict):
    """The content is of no use, and was not kept."""

    code = "content_rejected"
    detail = "The file was rejected and its content was not kept; `rejection` says why."


class InTrash(Conflict):
    """The file is in the trash."""

    code = "in_trash"
    detail = "The file is in the trash: restore it first."


class NotInTrash(Conflict):
    """The file is not in the trash."""

    code = "not_in_trash"
    detail = "The file is not in the trash."


class NoRendition(NotFound):
    """The file has no such rendition."""

    code = "no_rendition"
    detail = "This file has no rendition of that name: see `image.renditions`."


class NoPicture(Conflict):
    """No picture can be made of the file."""

    code = "no_picture"
    detail = "No picture can be made of this file."


class TooManyPictures(Conflict):
    """So many different pictures of one file are kept."""

    code = "too_many_pictures"
    detail = "There are pictures of this file in too many sizes: ask for one of those."


class InvalidSignature(Forbidden):
    """The link was not signed here, or not for this, or has expired."""

    code = "invalid_signature"
    detail = "This link does not work, or not any more."


class RangeNotSatisfiable(AppError):
    """None of the bytes that a range asks for are there; `Content-Range` says how many there are."""

    status = 416
    code = "range_not_satisfiable"
    detail = "The content has no such bytes: `Content-Range` says how many it has."
