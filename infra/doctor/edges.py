"""The edges of the network that matter from a viewpoint, and what is checked at each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from common.settings import Settings
from infra.doctor import aws
from infra.doctor.backend import Backend, OneFunction, origin_of
from infra.doctor.bucket import Bucket, Links
from infra.doctor.findings import Check, Edge, Finding, failed, ok
from infra.doctor.mail import Ses, Smtp
from infra.doctor.network import Way
from infra.doctor.ollama import Ollama, wanted_models
from infra.doctor.places import FRONTEND_SERVICE, Place, Viewpoint
from infra.doctor.postgres import Postgres
from infra.doctor.queues import Queues
from infra.doctor.safety import Safety
from infra.doctor.scanner import Scanner
from infra.doctor.schema import Schema
from infra.doctor.targets import FOR_BROWSERS, Malformed, Target, is_given, parse
from infra.local.discovery import functions
from infra.local.environment import ollama_advice

_ASKING_THE_OTHERS: Final = "health"
_SCANNING: Final = "files"


class Network:
    """All edges that are of interest to whoever stands at `view`."""

    def __init__(self, settings: Settings, view: Viewpoint, origins: Sequence[str] = ()) -> None:
        """`origins` are those of the pages that call, where they differ from what the settings allow."""
        self._settings = settings
        self._view = view
        self._origins = [origin_of(origin) for origin in origins or _likely_origins(settings, view)]
        self._job_functions = [each.name for each in functions() if each.handles_jobs]

    def edges(self) -> list[Edge]:
        """In the order in which a request meets them."""
        found = [Edge("settings", "", Safety(self._settings).checks)]
        found += self._to_backend()
        if self._view.looks_at_functions:
            found += [self._to_postgres(), self._to_ollama(), self._to_bucket(), *self._to_scanner()]
        if self._view.looks_at_browsers:
            found.append(self._to_links())
        if self._view.looks_at_functions:
            found += [self._to_queue(), self._to_mail()]
        return found

    @property
    def _who(self) -> str:
        return self._view.service if self._view.looks_at_functions and self._view.service else "function"

    def _to_backend(self) -> Iterator[Edge]:
        public, internal = self._settings.public_url, self._settings.internal_url
        view = self._view
        if view.looks_at_browsers:
            name = "frontend → backend" if public == internal else "frontend (browser) → backend"
            yield self._backend(name, "PUBLIC_URL", public, browser=True)
        if view.service in (None, FRONTEND_SERVICE) and internal != public:
            yield self._backend("frontend (server) → backend", "INTERNAL_URL", internal, browser=False)
        if view.service == _ASKING_THE_OTHERS:
            yield self._backend("health → backend", "INTERNAL_URL", internal, browser=False)
        if view.service in (None, _ASKING_THE_OTHERS):
            for function, url in self._settings.function_urls.items():
                make = partial(self._one_function, function)
                yield self._edge(f"health → {function}", partial(parse, "FUNCTION_URLS", url), make)

    def _backend(self, name: str, setting: str, url: str, *, browser: bool) -> Edge:
        def checks(target: Target) -> Sequence[Check]:
            way = Way(target, self._view, browser=browser)
            # Inside a container the browsers' own address cannot be tried: the gateway answers for it.
            asked = browser or self._view.here is Place.CONTAINER
            return Backend(way, self._origins if asked else (), self._settings.max_body_bytes).checks

        return self._edge(name, partial(parse, setting, url, given=is_given(self._settings, setting)), checks)

    def _one_function(self, function: str, target: Target) -> Sequence[Check]:
        return OneFunction(Way(target, self._view), function).checks

    def _to_postgres(self) -> Edge:
        url = self._settings.database_url
        name = f"{self._who} → pgsql"
        pools = [*self._view_of_pools()]

        def checks(way: Way | None) -> Sequence[Check]:
            postgres = Postgres(way, self._view.functions)
            return (*postgres.checks, *Schema(postgres, self._settings, pools).checks)

        if "unix_sock=" in url or "host=/" in url:
            return Edge(name, "a socket in the file system", checks(None))
        find = partial(parse, "DATABASE_URL", url, given=is_given(self._settings, "DATABASE_URL"))
        return self._edge(name, find, lambda target: checks(Way(target, self._view)))

    def _view_of_pools(self) -> Iterator[str]:
        for each in functions():
            if each.serves_http:
                yield each.name
            if each.handles_jobs:
                yield f"{each.name} jobs"

    def _to_ollama(self) -> Edge:
        def checks(target: Target) -> Sequence[Check]:
            advice = ollama_advice().rstrip(".") + " (only AI needs it)"
            way, wanted = Way(target, self._view, start=advice), wanted_models(self._settings)
            return Ollama(way, wanted, self._settings.ollama_header_values).checks

        given = is_given(self._settings, "OLLAMA_URL")
        find = partial(parse, "OLLAMA_URL", self._settings.ollama_url, given=given)
        return self._edge(f"{self._who} → ollama", find, checks, essential=False)

    def _to_bucket(self) -> Edge:
        find = partial(aws.target, self._settings, "s3")
        return self._edge(
            f"{self._who} → bucket",
            find,
            lambda target: Bucket(Way(target, self._view), self._settings).checks,
        )

    def _to_scanner(self) -> Iterator[Edge]:
        url, name = self._settings.scanner_url, f"{_SCANNING} → scanner"
        if not url or self._view.service not in (None, _SCANNING):
            return
        if urlsplit(url).scheme == "unix":
            yield Edge(name, "a socket in the file system", Scanner(None, url).checks)
        else:
            find = partial(parse, "SCANNER_URL", url)
            yield self._edge(name, find, lambda target: Scanner(Way(target, self._view), url).checks)

    def _to_links(self) -> Edge:
        url = self._settings.s3_public_url or self._settings.aws_endpoint
        given = is_given(self._settings, "S3_PUBLIC_URL") or is_given(self._settings, "AWS_ENDPOINT_URL")
        find = (
            partial(parse, "S3_PUBLIC_URL", url, given=given)
            if url
            else partial(aws.target, self._settings, "s3")
        )
        return self._edge(
            "browser → bucket",
            find,
            lambda target: Links(Way(target, self._view, browser=True), self._settings).checks,
        )

    def _to_queue(self) -> Edge:
        name = f"{self._who} → queue"
        if not self._settings.queues:
            return Edge(name, "off", [Check("queues", _no_queues)])
        wanted = [each for each in self._job_functions if each in self._view.functions] or self._job_functions
        return self._edge(
            name,
            partial(aws.target, self._settings, "sqs"),
            lambda target: Queues(Way(target, self._view), self._settings, wanted).checks,
            essential=False,
        )

    def _to_mail(self) -> Edge:
        settings, name = self._settings, f"{self._who} → mail"
        if settings.mail_transport == "ses":
            return self._edge(
                name,
                partial(aws.target, settings, "sesv2"),
                lambda target: Ses(Way(target, self._view), settings).checks,
            )
        find = partial(parse, "SMTP_URL", settings.smtp_url, given=is_given(settings, "SMTP_URL"))
        return self._edge(name, find, lambda target: Smtp(Way(target, self._view)).checks)

    def _edge(
        self,
        name: str,
        find: Callable[[], Target],
        checks: Callable[[Target], Sequence[Check]],
        *,
        essential: bool = True,
    ) -> Edge:
        """The edge, or one that says why it has no address."""
        try:
            target = find()
        except Malformed as error:
            sentence = failed(str(error), "Write it as README.md's table of settings has it.")
        except aws.failures() as error:
            sentence = aws.refusal(error, "AWS")
        else:
            return Edge(name, target.address, checks(target), essential=essential)
        return Edge(name, "", [Check("address", lambda: iter([sentence]))], essential=essential)


def _likely_origins(settings: Settings, view: Viewpoint) -> list[str]:
    """Those that the settings allow; on a host that has no settings, the usual one of a Docker network."""
    unknown = not (is_given(settings, "FRONTEND_URL") or is_given(settings, "CORS_ORIGINS"))
    if unknown and view.here is Place.HOST and not view.stack_url:
        return [FOR_BROWSERS["FRONTEND_URL"]]
    return [origin for origin in settings.allowed_origins if origin != "*"]


def _no_queues() -> Iterator[Finding]:
    yield ok("QUEUES is off: job handlers poll Postgres.")
