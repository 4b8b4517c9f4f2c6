from common.routing import combine
from functions.auth.endpoints import accounts, api_keys, invitations, oauth, recovery, sessions, tokens

router = combine(
    accounts.router,
    invitations.router,
    tokens.router,
    sessions.router,
    recovery.router,
    api_keys.router,
    oauth.router,
)
