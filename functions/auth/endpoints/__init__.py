from common.routing import combine
from functions.auth.endpoints import accounts, oauth, tokens

router = combine(accounts.router, tokens.router, oauth.router)
