from common.routing import combine
from functions.auth.endpoints import accounts, api_keys, oauth, recovery, sessions, tokens

router = combine(
    accounts.router,
    tokens.router,
    sessions.router,
    recovery.router,
    api_keys.router,
    oauth.router,
)
