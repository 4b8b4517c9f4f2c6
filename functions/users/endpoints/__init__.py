from common.routing import combine
from functions.users.endpoints import deletion, exports, me

router = combine(me.router, deletion.router, exports.router)
