"""From a mail's job to the receiving server. Only the worker imports this."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from common.mail.messages import address_of, compose
from common.mail.outbound import check_mail
from common.mail.rendering import render
from common.mail.transports import MailRefused, send_message
from common.settings import get_settings


def deliver_mail(template: str, to: str, values: Mapping[str, Any], *, key: UUID) -> None:
    """Render and send one mail. `key` tells repetitions of one mail from other mails.

    Raises MailRefused where no repetition can help; anything else may be cured by one.
    """
    sender = address_of(get_settings().mail_from)
    try:
        check_mail(template, to, values)
        receiver = address_of(to)
        rendered = render(template, values, sender.display_name or "Lambkin")
        message = compose(rendered, sender=sender, to=receiver, key=key)
    except ValueError as error:
        raise MailRefused(str(error)) from error
    send_message(message, sender, receiver)
