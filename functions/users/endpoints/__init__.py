from common.routing import combine
from functions.users.endpoints import me

router = combine(me.router)
