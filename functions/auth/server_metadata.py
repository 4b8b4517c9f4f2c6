"""What this server tells OAuth 2.0 clients of itself (RFC 8414)."""

from common.context import current_context
from common.permissions import PERMISSIONS
from common.settings import get_settings
from functions.auth.grants import GRANT_TYPES
from functions.auth.schemas.oauth import ServerMetadata


def server_metadata() -> ServerMetadata:
    """The metadata, with addresses as clients reach them."""
    settings = get_settings()
    base = f"{settings.public_url}/v1/auth"
    current_context().response_headers["Cache-Control"] = "public, max-age=300"
    return ServerMetadata(
        issuer=settings.issuer,
        token_endpoint=f"{base}/token",
        jwks_uri=f"{base}/.well-known/jwks.json",
        revocation_endpoint=f"{base}/revoke",
        introspection_endpoint=f"{base}/introspect",
        grant_types_supported=list(GRANT_TYPES),
        response_types_supported=[],
        scopes_supported=sorted(PERMISSIONS),
        token_endpoint_auth_methods_supported=["none"],
        revocation_endpoint_auth_methods_supported=["none"],
        introspection_endpoint_auth_methods_supported=["Bearer"],
    )
