from common.routing import combine
from functions.auth.endpoints import accounts, oauth, recovery, sessions, tokens

router = combine(accounts.router, tokens.router, sessions.router, recovery.router, oauth.router)
