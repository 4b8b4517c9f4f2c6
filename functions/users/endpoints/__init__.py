from common.routing import combine
from functions.users.endpoints import administration, me, roles

router = combine(me.router, roles.router, administration.router)
