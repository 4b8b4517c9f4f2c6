"""What a person is told by mail when something about their account has changed."""

from sqlalchemy.orm import Session

from common.mail import send_mail
from common.settings import get_settings


def tell_of_new_key(session: Session, email: str, name: str, key_name: str) -> None:
    """Somebody has made an API key of theirs, which outlives the session that it was made in."""
    values = {
        "name": name,
        "key_name": key_name,
        "reset_link": f"{get_settings().frontend_url}/forgot-password",
    }
    send_mail(session, "api_key_created", email, values)


def tell_of_new_password(session: Session, email: str, name: str) -> None:
    """Their password is another; how to get the account back if it was not them."""
    values = {"name": name, "reset_link": f"{get_settings().frontend_url}/forgot-password"}
    send_mail(session, "password_changed", email, values)
