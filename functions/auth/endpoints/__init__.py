from common.routing import combine
from functions.auth.endpoints import accounts, api_keys, oauth, tokens

router = combine(accounts.router, tokens.router, oauth.router, api_keys.router)
