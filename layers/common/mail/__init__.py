"""Mail: a job of the worker, with a text and an HTML part from templates, through SES or SMTP.

A function imports `send_mail`; what renders and delivers (`common.mail.delivery`) is imported by the worker.
"""

from common.mail.outbound import send_mail
from common.mail.probe import mail_probe

__all__ = ["mail_probe", "send_mail"]
