"""Values that are fit for a laptop, where strangers may come by."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from common.encryption import key_names
from common.settings import INSECURE_KEY, INSECURE_SECRET, Settings, SettingsError
from infra.doctor.backend import origin_of, unlikely_origin
from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.targets import is_given, is_public


class Safety:
    """The checks of the settings themselves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        host = urlsplit(settings.public_url).hostname or ""
        self._public = is_public(host)
        self._https = settings.public_url.startswith("https://")

    @property
    def checks(self) -> tuple[Check, ...]:
        """None of them ends the chain."""
        return (
            Check("secrets", self.secrets),
            Check("limits", self.limits),
            Check("browsers", self.browsers),
            Check("stage", self.stage),
        )

    def secrets(self) -> Iterator[Finding]:
        """The secrets that everybody can read in the source."""
        settings = self._settings
        known = {
            "SERVER_SECRET": settings.server_secret == INSECURE_SECRET,
            "ENCRYPTION_KEYS": INSECURE_KEY in settings.encryption_keys,
            "DATABASE_URL": "pguser:pgpassword@" in settings.database_url,
            # An emulator's: whoever knows it can sign requests to the bucket.
            "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY") == "test",
        }
        named = [name for name, is_known in known.items() if is_known]
        try:
            key_names()
        except SettingsError as error:
            yield failed(str(error), "Give each key as `name:` and 32 bytes in base64.", ends=False)
        if named and self._public:
            yield failed(
                f"{', '.join(named)} have the values of the source, and {settings.public_url} is open "
                "to strangers.",
                "Set secrets of your own (`openssl rand -base64 32`), and STAGE=prod, which refuses these.",
                ends=False,
            )
        elif named:
            yield ok(f"As in the source, fit for this machine alone: {', '.join(named)}.")
        else:
            yield ok("No secret has the value of the source.")

    def limits(self) -> Iterator[Finding]:
        """Rate limits."""
        if self._settings.rate_limits:
            yield ok("Rate limits are on.")
        else:
            yield warning("RATE_LIMITS is off: passwords can be tried without end.", "Leave RATE_LIMITS out.")

    def browsers(self) -> Iterator[Finding]:
        """Cookies, origins and encryption."""
        settings = self._settings
        found = list(self._cookies())
        if "*" in settings.cors_origins:
            found.append(
                warning("CORS_ORIGINS lets pages of every site call.", "List the origins of your frontends.")
            )
        if self._public and not self._https:
            found.append(
                warning(
                    f"{settings.public_url} is open to strangers and not https.", "Put TLS in front of it."
                )
            )
        if not settings.cors_origins and is_given(settings, "FRONTEND_URL"):
            found += unlikely_origin(origin_of(settings.frontend_url))
        yield from found or [ok("Cookies, origins and encryption fit PUBLIC_URL.")]

    def _cookies(self) -> Iterator[Finding]:
        settings = self._settings
        if settings.cookie_secure is False and self._https:
            yield warning(
                "COOKIE_SECURE is off, and PUBLIC_URL is https: the refresh cookie also travels unencrypted.",
                "Leave COOKIE_SECURE out.",
            )
        if settings.cookie_secure and self._public and not self._https:
            yield warning(
                "COOKIE_SECURE is on, and PUBLIC_URL is http: browsers do not keep the cookie.",
                "Serve it over https, or leave COOKIE_SECURE out.",
            )

    def stage(self) -> Iterator[Finding]:
        """STAGE, beside where this is."""
        settings = self._settings
        if settings.stage == "prod" and settings.aws_endpoint_url:
            yield warning(
                "STAGE is prod, and AWS_ENDPOINT_URL sends files, queues and mail elsewhere than to AWS.",
                "Unset it for AWS; it is right only for a storage server of your own.",
            )
        elif settings.stage in ("local", "test") and self._public and self._https:
            yield warning(
                f"STAGE is {settings.stage}, and {settings.public_url} is open to strangers.",
                "Set STAGE=prod: it refuses what is unsafe.",
            )
        else:
            yield ok(f"STAGE is {settings.stage}.")
