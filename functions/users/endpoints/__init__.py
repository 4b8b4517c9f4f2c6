from common.routing import combine
from functions.users.endpoints import audit, me

router = combine(audit.router, me.router)
