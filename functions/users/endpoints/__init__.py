from common.routing import combine
from functions.users.endpoints import bulk_invitations, invitations, me

router = combine(me.router, invitations.router, bulk_invitations.router)
