from datetime import datetime

from sqlalchemy import String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt


class Role(Base):
    """A role that an administrator made. Owner: users; every function reads it.

    The built-in ones, `admin` and `member`, are in `common.permissions` and never here. `users.roles` holds
    names; a name without a row permits nothing.
    """

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    description: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    permissions: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
