from common.routing import combine
from functions.users.endpoints import (
    administration,
    audit,
    bulk_invitations,
    deletion,
    exports,
    invitations,
    me,
    roles,
)

router = combine(
    me.router,
    roles.router,
    audit.router,
    administration.router,
    invitations.router,
    bulk_invitations.router,
    deletion.router,
    exports.router,
)
