"""Is it S3 that answers, is the bucket there and will it stay, and do clients reach what is presigned?"""

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from common.bucket import presigned_get
from common.settings import Settings
from infra.doctor import aws, clocks
from infra.doctor.exchange import NoAnswer, exchange
from infra.doctor.findings import Check, Finding, State, failed, ok, warning
from infra.doctor.network import Way
from infra.doctor.places import Place
from infra.doctor.targets import is_loopback, is_public

_SIGNATURE: Final = (b"SignatureDoesNotMatch", b"AuthorizationHeaderMalformed", b"InvalidAccessKeyId")
_NO_KEY: Final = "lambkin-doctor/there-is-no-such-object"


class Bucket:
    """The checks of the bucket as functions reach it."""

    def __init__(self, way: Way, settings: Settings) -> None:
        self._way = way
        self._settings = settings
        self._response: dict[str, Any] = {}
        self._read_at = 0.0

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (
            *self._way.checks,
            Check("bucket", self.bucket),
            Check("CORS", self.cors),
            Check("durability", self.durability),
            Check("clock", self.clock),
        )

    def bucket(self) -> Iterator[Finding]:
        """Is it there, and may we see it?"""
        name = self._settings.bucket
        try:
            before = time.time()
            answer = aws.client("s3").head_bucket(Bucket=name)
        except aws.failures() as error:
            yield self._refused(name, error)
            return
        self._response, self._read_at = answer["ResponseMetadata"], (before + time.time()) / 2
        yield ok(f"The bucket {name} is there.")

    def _refused(self, name: str, error: Exception) -> Finding:
        if self._settings.aws_endpoint and not _speaks_s3():
            return next(aws.something_else("S3", "AWS_ENDPOINT_URL"))
        skew = next(clocks.from_date(aws.date_of(error), time.time()), None)
        if skew is not None and skew.state is State.FAILED:
            return skew
        if aws.status_of(error) == HTTPStatus.NOT_FOUND:
            return failed(
                f"There is no bucket {name}.",
                "Make it (`lambkin up` does, and so does a restart of localstack: it forgets its "
                "bucket when it "
                "restarts), or correct BUCKET.",
            )
        if aws.status_of(error) in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.BAD_REQUEST):
            return failed(f"The bucket {name} is in another region.", "Set AWS_REGION to the bucket's.")
        return aws.refusal(error, "S3")

    def cors(self) -> Iterator[Finding]:
        """May the pages that call us upload to it? Who may not ask for the rules is told nothing."""
        try:
            rules = aws.client("s3").get_bucket_cors(Bucket=self._settings.bucket).get("CORSRules")
        except aws.failures() as error:
            rules = [] if aws.code_of(error) == "NoSuchCORSConfiguration" else None
        if rules is None:
            return
        uploading = [rule for rule in rules if "PUT" in rule["AllowedMethods"]]
        allowed = [origin for rule in uploading for origin in rule["AllowedOrigins"]]
        wanted = self._settings.allowed_origins
        without = [each for each in wanted if not any(fnmatchcase(each, origin) for origin in allowed)]
        if without:
            yield warning(
                f"Pages of {', '.join(without)} may not upload to the bucket: its CORS rules say no.",
                "`lambkin up`, `docker compose up -d` and a deployment write them, from CORS_ORIGINS "
                "or FRONTEND_URL.",
            )
        else:
            yield ok(f"Pages of {', '.join(wanted)} may upload to it.")

    def durability(self) -> Iterator[Finding]:
        """LocalStack without an account keeps nothing."""
        name = aws.emulator(self._way) if self._settings.aws_endpoint else ""
        if name and self._settings.stage == "prod":
            yield failed(
                f"STAGE is prod and {name}, an emulator, keeps the files: it checks no credentials.",
                "Unset AWS_ENDPOINT_URL for AWS, or use the S3 server of the `selfhost` profile.",
                ends=False,
            )
        elif name in ("LocalStack", "moto"):
            yield warning(
                f"{name} is behind the bucket: it forgets the bucket, and all files, when it restarts.",
                "To keep files, use the S3 server of the `selfhost` profile (`docker compose "
                "--profile selfhost up`).",
            )
        elif name and not self._way.view.stack_url:
            yield warning(
                f"{name} is behind the bucket: unless told to persist, it forgets all files in a restart.",
                "Start it with PERSIST_STATE=1 and S3_PERSIST=1, or use the server of the `selfhost` "
                "profile.",
            )
        else:
            yield ok(f"{name or 'What is behind it'} keeps what is stored.")

    def clock(self) -> Iterator[Finding]:
        """By the date of its answer."""
        yield from clocks.from_date(self._response.get("HTTPHeaders", {}).get("date", ""), self._read_at)


def _speaks_s3() -> bool:
    """Whether a list of buckets, or its refusal, is S3's: anything else answers with a status alone."""
    try:
        aws.client("s3").list_buckets()
    except aws.failures() as error:
        code = aws.code_of(error)
        return bool(code) and not code.isdigit()
    return True


class Links:
    """The checks of presigned links, which name the address of the bucket that clients reach."""

    def __init__(self, way: Way, settings: Settings) -> None:
        self._way = way
        self._settings = settings

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (Check("reach", self.reach), *self._way.checks, Check("link", self.link))

    def reach(self) -> Iterator[Finding]:
        """May clients reach it at all?"""
        target = self._way.target
        public = urlsplit(self._settings.public_url).hostname or ""
        if target.is_network_name and not target.given and self._way.view.here is Place.HOST:
            yield warning(
                "S3_PUBLIC_URL is not set here: where presigned links lead, the functions know alone.",
                "Look from inside: `docker compose exec users lambkin doctor`.",
                ends=True,
            )
        if target.is_network_name:
            yield failed(
                f"Presigned links lead to `{target.host}`, which only the Docker network knows.",
                "Set S3_PUBLIC_URL to the address under which browsers reach the bucket, "
                f"{target.for_browsers} "
                "for example.",
            )
        elif target.is_loopback and not is_loopback(public):
            yield failed(
                f"Presigned links lead to `{target.host}`: for each reader that is the reader's own machine.",
                f"Set S3_PUBLIC_URL to an address that the clients of {public} reach.",
            )
        elif target.scheme == "http" and is_public(target.host):
            yield warning(
                f"Presigned links lead to {target.address}: files travel unencrypted.",
                "Put TLS in front of it.",
            )

    def link(self) -> Iterator[Finding]:
        """Follow one to an object that there is not: it is S3 itself that must say so."""
        try:
            link = urlsplit(presigned_get(_NO_KEY, filename="none", content_type="text/plain"))
        except aws.failures() as error:
            yield aws.refusal(error, "Signing a link")
            return
        virtual = link.hostname != self._way.target.host
        if virtual:
            yield ok(f"Links lead to {link.hostname}.")
            return
        path = f"{link.path.removeprefix(self._way.target.path)}?{link.query}"
        try:
            answer = exchange(self._way, "GET", path)
        except NoAnswer as error:
            yield failed(str(error), error.fix or "See what S3_PUBLIC_URL leads to.")
            return
        if any(name in answer.body for name in _SIGNATURE):
            yield failed(
                "The signature of a presigned link is refused where clients reach the bucket.",
                "A proxy in between must keep Host and path as they are; and S3_PUBLIC_URL must be "
                "what clients type.",
            )
        elif b"<Error>" in answer.body and b"<Code>" in answer.body:
            yield ok("A presigned link reaches the bucket.")
        else:
            yield failed(
                f"A presigned link does not lead to the bucket: {answer.kind}.",
                "Set S3_PUBLIC_URL to the bucket's service as clients reach it.",
            )
