"""Every setting of Lambkin, read from the environment once per process.

The defaults fit the Docker network. What would be unsafe in production is refused when `STAGE=prod`. A secret
may be a reference, `secret:NAME#KEY`: see `common.secrets`.
"""

import json
import os
import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from common.setting_values import ScannerUrl, SentryDsn

INSECURE_SECRET = "lambkin-insecure-development-secret"  # noqa: S105 - refused when STAGE=prod
INSECURE_KEY = "development:bGFtYmtpbi1pbnNlY3VyZS1kZXZlbG9wbWVudC1rZXk="
REFERENCE = "secret:"
MAY_REFER = (
    "database_url",
    "server_secret",
    "encryption_keys",
    "smtp_url",
    "origin_secret",
    "ollama_headers",
)
IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ


# A header's name, and what its value may be (RFC 9110, sections 5.1 and 5.5).
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")

type Network = IPv4Network | IPv6Network
type CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class SettingsError(SystemExit):
    """A setting is missing, malformed or unsafe: the process ends with one sentence that names it."""


class Settings(BaseSettings):
    """The settings table of the README, in code. Durations are in the unit that the name ends with."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    stage: Literal["local", "test", "dev", "prod"] = Field(
        "local", description="Where this runs; `prod` refuses unsafe defaults."
    )
    public_url: str = Field(
        "http://localhost:8000", description="The address at which clients reach the functions."
    )
    internal_url: str = Field(
        "http://backend:8000", description="The address at which functions reach each other."
    )
    frontend_url: str = Field("http://frontend:3000", description="Where the links in mails lead.")
    cors_origins: CommaSeparated = Field(
        (), description="Origins that browsers may call from; empty: the origin of FRONTEND_URL."
    )
    trusted_proxies: CommaSeparated = Field(
        (), description="Networks whose `X-Forwarded-For` is believed, hop by hop."
    )
    origin_secret: str | None = Field(
        None,
        min_length=16,
        description="What a proxy in front adds as `X-Origin-Secret` to each request; without it 403. "
        "Unset: whoever reaches a function may call it.",
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Largest request body that a function reads.")

    database_url: str = Field(
        "postgresql+pg8000://pguser:pgpassword@pgsql:5432/database",
        description="Postgres, as its owner or as the function's own role; the driver is the URL's.",
    )
    database_pool_size: int = Field(
        5, ge=1, le=100, description="Connections per function and process in a server; in Lambda it is 1."
    )
    database_wait_seconds: float = Field(
        5.0, gt=0, description="How long a request waits for a connection before it gets 503."
    )
    database_connect_seconds: float = Field(5.0, gt=0, description="How long a connect may take.")
    database_statement_seconds: float = Field(10.0, gt=0, description="Postgres' statement_timeout.")
    database_lock_seconds: float = Field(3.0, gt=0, description="Postgres' lock_timeout.")
    database_tls: bool | None = Field(
        None, description="Verified TLS to Postgres; unset: on unless the host is loopback or has no dot."
    )
    database_ca_file: str | None = Field(None, description="The authority to verify Postgres against.")
    slow_statement_ms: float = Field(200.0, ge=0, description="Statements slower than this are logged.")

    rate_limits: bool = Field(default=True, description="Off for load tests only.")

    server_secret: str = Field(
        INSECURE_SECRET, min_length=16, description="Signs cursors and keys the digests of limits."
    )
    encryption_keys: CommaSeparated = Field(
        (INSECURE_KEY,),
        description="`name:base64` of 32 bytes each; the first encrypts, all decrypt.",
    )
    token_issuer: str | None = Field(
        None, description="`iss` of access tokens; unset: PUBLIC_URL and `/v1/auth`."
    )
    token_audience: str = Field("lambkin", description="`aud` of access tokens.")
    access_token_seconds: int = Field(600, ge=60, le=3600, description="Life of an access token.")
    refresh_token_days: int = Field(
        30, ge=1, le=365, description="Life of an unused refresh token: how long a session may be idle."
    )
    session_days: int = Field(90, ge=1, le=3650, description="Longest life of a session, however much used.")
    recent_sign_in_seconds: int = Field(
        900, ge=60, le=86_400, description="How old a sign-in may be for a sensitive operation."
    )
    cookie_path: str = Field("/v1/auth", description="`Path` of the refresh cookie of the browser mode.")
    cookie_secure: bool | None = Field(
        None, description="`Secure` of that cookie; unset: on unless PUBLIC_URL is http."
    )
    refresh_grace_seconds: int = Field(
        10, ge=0, le=60, description="How long a rotated refresh token still answers with its successor."
    )
    verification_hours: int = Field(24, ge=1, description="Life of a link that verifies an address.")
    password_reset_minutes: int = Field(30, ge=5, le=1440, description="Life of a link for a new password.")
    email_undo_days: int = Field(
        7, ge=1, le=30, description="How long the old address can undo a change of address."
    )
    invitation_days: int = Field(7, ge=1, le=60, description="Life of an invitation.")
    deletion_grace_days: int = Field(
        14, ge=0, le=90, description="How long the deletion of an account can be undone."
    )
    export_days: int = Field(7, ge=1, le=30, description="How long the archive of an export is kept.")
    require_verified_email: bool = Field(
        default=True, description="Whether sign-in needs a verified address."
    )
    password_min_length: int = Field(8, ge=8, le=128, description="In characters, after NFKC.")
    password_hash_kib: int = Field(65_536, ge=8, description="argon2id memory, KiB.")
    password_hash_passes: int = Field(3, ge=1, description="argon2id passes.")
    password_hash_concurrency: int = Field(2, ge=1, description="Hashes at a time per process.")

    aws_endpoint_url: str | None = Field(
        None,
        description="An emulator in place of AWS; unset or empty: AWS, on STAGE=local http://localstack:4566.",
    )
    bucket: str = Field("lambkin", description="The bucket for files.")
    s3_public_url: str | None = Field(
        None,
        description="The bucket's service as clients reach it, for presigned links; unset: as we do.",
    )
    file_quota_bytes: int = Field(
        10 * 1024**3, ge=0, description="How much one account may store, uploads under way included."
    )
    file_types: CommaSeparated = Field(
        ("*/*",), description="What may be uploaded, by content: `image/*, application/pdf`."
    )
    file_trash_days: int = Field(30, ge=1, le=365, description="How long the trash keeps a file.")
    file_stream_bytes: int = Field(
        0,
        ge=0,
        description="Content up to this size passes through `files`; what is larger, a redirect to the "
        "bucket. In Lambda at most 4 MB do.",
    )
    image_max_pixels: int = Field(
        50_000_000, ge=1_000_000, le=500_000_000, description="Larger pictures are rejected."
    )
    image_keep_metadata: bool = Field(
        default=False, description="Whether stored pictures keep where and with what they were taken."
    )
    scanner_url: ScannerUrl = Field(
        None,
        description="ClamAV: `tcp://clamav:3310` or `unix:///run/clamav/clamd.ctl`. "
        "Unset: nothing is scanned.",
    )
    upload_hours: int = Field(24, ge=1, le=168, description="How long an upload may take.")
    queue_prefix: str = Field("lambkin-", description="A function's queue is this and its name.")
    queues: bool = Field(default=True, description="Off: job handlers only poll Postgres.")
    mail_transport: Literal["ses", "smtp"] = Field("ses", description="How mail leaves.")
    mail_from: str = Field("Lambkin <no-reply@lambkin.example>", description="The sender of mails.")
    smtp_url: str = Field(
        "smtp://mailpit:1025", description="smtp:// or smtps://, with user and password where needed."
    )
    ollama_url: str = Field("http://ollama:11434", description="Where Ollama answers.")
    ollama_headers: str | None = Field(
        None, description="JSON, header to value: what a proxy in front of Ollama wants with each request."
    )
    ollama_ca_file: str | None = Field(
        None, description="The authority to verify Ollama against; unset: publicly trusted ones."
    )
    ollama_connect_seconds: float = Field(5.0, gt=0, description="How long a connect to Ollama may take.")
    ollama_first_token_seconds: float = Field(
        120.0, gt=0, description="How long a model may take to its first token; it may have to be loaded."
    )
    ollama_idle_seconds: float = Field(
        30.0, gt=0, description="How long a model may be silent between two tokens."
    )
    ollama_total_seconds: float = Field(600.0, gt=0, description="The longest that an answer may take.")
    ollama_num_ctx: int = Field(
        8192, ge=256, description="How many tokens a model sees at once; more takes more of its memory."
    )
    ai_concurrency: int = Field(
        256, ge=1, description="How many requests of a process have a model work for them at a time."
    )
    ai_user_concurrency: int = Field(32, ge=1, description="How many of one account do, over all processes.")
    ai_queue: int = Field(512, ge=0, description="How many may wait for their turn in a process.")
    ai_queue_seconds: float = Field(30.0, ge=0, description="How long each may wait before it gets 503.")
    function_urls: dict[str, str] = Field(
        default_factory=dict, description="JSON, function to base URL, where they differ from INTERNAL_URL."
    )

    release: str = Field("", description="What runs, a version or a commit: told to Sentry and with traces.")
    metrics_port: int = Field(
        9464,
        ge=0,
        le=65_535,
        description="Where a container that does jobs answers `/metrics`, to neighbours; 0: nowhere.",
    )
    sentry_dsn: SentryDsn = Field(
        None, description="Where unexpected errors are told; wants the dependency group `errors`."
    )

    log_format: Literal["json", "console"] = Field("json", description="Log lines for machines or eyes.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least shown.")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _separate_networks(cls, value: object) -> object:
        # A gateway that is given the same list may want spaces: Caddy does.
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("cors_origins", "encryption_keys", "file_types", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        # Other programs that share an environment with us shout it.
        return value.lower() if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @field_validator("public_url", "internal_url", "frontend_url")
    @classmethod
    def _strip_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("aws_endpoint_url")
    @classmethod
    def _take_nothing_for_unset(cls, value: str | None) -> str | None:
        # boto3 takes an empty address that it is handed for one, and refuses it.
        return value or None

    @field_validator("ollama_headers")
    @classmethod
    def _check_headers(cls, value: str | None) -> str | None:
        if value and not value.startswith(REFERENCE):
            _headers(value)
        return value or None

    @field_validator("database_url")
    @classmethod
    def _name_driver(cls, value: str) -> str:
        if value.startswith(REFERENCE):
            return value
        scheme, found, rest = value.partition("://")
        if not found or scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise ValueError("must look like postgresql+pg8000://user:password@host:5432/database")
        return value if "+" in scheme else f"postgresql+pg8000://{rest}"

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.stage != "prod":
            return self
        unsafe = {
            "SERVER_SECRET": self.server_secret == INSECURE_SECRET,
            "ENCRYPTION_KEYS": INSECURE_KEY in self.encryption_keys,
            "DATABASE_URL": "pguser:pgpassword@" in self.database_url,
            "PUBLIC_URL": not self.public_url.startswith("https://"),
            "FRONTEND_URL": not self.frontend_url.startswith("https://"),
            "CORS_ORIGINS": "*" in self.cors_origins,
            "RATE_LIMITS": not self.rate_limits,
            "COOKIE_SECURE": self.cookie_secure is False,
            # What emulators take, and whoever knows that can sign requests to the bucket.
            "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY") == "test",
        }
        for name, is_unsafe in unsafe.items():
            if is_unsafe:
                raise ValueError(f"{name} has a value that is unsafe when STAGE=prod")
        return self

    @cached_property
    def refers(self) -> bool:
        """Whether some secret is a reference."""
        values = (getattr(self, name) for name in MAY_REFER)
        return any(REFERENCE in str(value) for value in values)

    @property
    def issuer(self) -> str:
        """The `iss` of access tokens."""
        return self.token_issuer or f"{self.public_url}/v1/auth"

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are sent over https only."""
        return self.public_url.startswith("https://") if self.cookie_secure is None else self.cookie_secure

    @property
    def allowed_origins(self) -> list[str]:
        """The origins that browsers may call from."""
        return list(self.cors_origins) or [self.frontend_url]

    @property
    def aws_endpoint(self) -> str | None:
        """The emulator's address, or None for AWS itself."""
        if self.aws_endpoint_url or self.stage != "local" or IN_LAMBDA:
            return self.aws_endpoint_url
        return "http://localstack:4566"

    @property
    def ollama_header_values(self) -> dict[str, str]:
        """`ollama_headers`, parsed; a reference, which `secret_settings` follows, gives none."""
        given = self.ollama_headers
        return _headers(given) if given and not given.startswith(REFERENCE) else {}

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies`, parsed."""
        return tuple(ip_network(network) for network in self.trusted_proxies)


def _headers(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(_is_header(*pair) for pair in found.items()):
        raise ValueError('must look like {"Authorization": "Bearer …"}')
    return found


def _is_header(name: str, value: object) -> bool:
    return bool(_TOKEN.fullmatch(name)) and isinstance(value, str) and bool(_FIELD.fullmatch(value))


def sentence(error: ValidationError) -> str:
    """What is wrong with the first wrong setting, and its name."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"]).upper()
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message}." if name else f"{message}."


def load_settings() -> Settings:
    """Read the environment. Raises SettingsError with one sentence that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(f"Lambkin cannot start. {sentence(error)}") from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process."""
    return load_settings()


def secret_settings() -> Settings:
    """The settings with what is referred to in place of references: for what MAY_REFER, and on first use.

    Raises Unavailable where Secrets Manager does not answer, or where a reference leads nowhere.
    """
    settings = get_settings()
    if not settings.refers:
        return settings
    from common.secrets import resolved

    return resolved(settings)


def require_settings(names: Iterable[str]) -> None:
    """Stop the start where a setting that a function declares is empty.

    Defaults that only fit a development machine count as given, except when `STAGE=prod`, which refuses
    them already.
    """
    settings = get_settings()
    for name in names:
        if name.lower() not in Settings.model_fields:
            raise SettingsError(f"Lambkin cannot start. {name} is declared by a function but is no setting.")
        if getattr(settings, name.lower()) in (None, "", ()):
            raise SettingsError(f"Lambkin cannot start. {name} is missing.")
