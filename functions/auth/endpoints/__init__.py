from common.routing import combine
from functions.auth.endpoints import accounts, invitations, oauth, recovery, sessions, tokens

router = combine(
    accounts.router, invitations.router, tokens.router, sessions.router, recovery.router, oauth.router
)
