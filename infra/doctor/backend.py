"""Is it Lambkin that answers, all of it, and may the frontend's pages call it?"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from common.functions import FUNCTIONS
from infra.doctor import clocks
from infra.doctor.exchange import Answer, NoAnswer, exchange
from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.network import Way
from infra.doctor.proxies import Passage

_OURS: Final = "urn:lambkin:problem:"
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ASKED_HEADERS: Final = ("authorization", "content-type", "idempotency-key", "if-match")
_LIVE: Final = "/v1/health/live"


class Backend:
    """The checks of one address of the backend. `origins` are those of the pages that call it."""

    def __init__(self, way: Way, origins: Sequence[str], largest_body: int) -> None:
        self._way = way
        self._origins = tuple(dict.fromkeys(origins))
        self._passage = Passage(way, largest_body)
        self._live: Answer | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (
            *self._way.checks,
            Check("answers", self.answers),
            Check("functions", self.functions),
            Check("clock", self.clock),
            Check("CORS", self.cors),
            *self._passage.checks,
        )

    def answers(self) -> Iterator[Finding]:
        """Lambkin, or who?"""
        try:
            self._live = exchange(self._way, "GET", _LIVE)
        except NoAnswer as error:
            fix = f"See the server's log; does {self._way.target.setting} name the right port and scheme?"
            yield failed(str(error), error.fix or fix)
            return
        if self._live.status == HTTPStatus.OK and self._live.json().get("state") == "ok":
            yield ok(f"Lambkin answers at {self._way.target.address}.")
        else:
            yield self._somebody_else(self._live)

    def _somebody_else(self, answer: Answer) -> Finding:
        setting = self._way.target.setting
        if answer.status in _REDIRECTS:
            return failed(
                f"It answers with a redirection to {_origin(answer.header('location')) or 'another page'}.",
                f"Set {setting} to where it leads: browsers follow no redirection of a preflight.",
            )
        if str(answer.json().get("type", "")).startswith(_OURS):
            return failed(
                f"Lambkin answers, but not {_LIVE}: {answer.kind}.",
                "Is the function `health` up and listening on 0.0.0.0, and does the gateway pass "
                "/v1/health on?",
            )
        if answer.status in _GATEWAY_ERRORS:
            return failed(
                f"A proxy answers {answer.status}: what it passes requests to does not answer it.",
                "See the proxy's log and `docker compose ps`; functions must listen on 0.0.0.0, not "
                "on 127.0.0.1.",
            )
        if answer.header("x-powered-by").lower().startswith("next.js"):
            return failed(
                f"The frontend itself answers, not Lambkin ({answer.kind}).",
                f"{setting} must name the backend's port, or the frontend must pass /v1 on to the backend.",
            )
        return failed(
            f"Something else answers, not Lambkin: {answer.kind}.",
            f"Stop what holds the port, or correct {setting}.",
        )

    def functions(self) -> Iterator[Finding]:
        """Does each prefix lead to its function?"""
        silent = {name: reason for name in FUNCTIONS if (reason := missing(self._way, name))}
        if not silent:
            yield ok(f"{', '.join(FUNCTIONS)} answer.")
        for name, reason in silent.items():
            yield failed(
                f"/v1/{name} does not lead to {name}: {reason}",
                f"Is {name} up, and does the gateway send its prefix to it? See the log of {name}.",
                ends=False,
            )

    def clock(self) -> Iterator[Finding]:
        """By the date of the first answer."""
        if self._live is not None:
            yield from clocks.from_date(self._live.header("date"), self._live.clock)

    def cors(self) -> Iterator[Finding]:
        """Ask as browsers do before they let a page of each origin call (Fetch standard, CORS-preflight)."""
        for origin in self._origins:
            yield from self._preflight(origin)

    def _preflight(self, origin: str) -> Iterator[Finding]:
        if origin.startswith("https://") and self._way.browser and self._is_insecure():
            yield failed(
                f"Pages of {origin} are https, and {self._way.target.address} is not: browsers block "
                "the call.",
                f"Serve the backend over https, and set {self._way.target.setting} to that.",
                ends=False,
            )
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(_ASKED_HEADERS),
        }
        try:
            answer = exchange(self._way, "OPTIONS", "/v1/auth/login", headers=headers)
        except NoAnswer as error:
            yield failed(f"The preflight fails. {error}", "A proxy must let OPTIONS through.", ends=False)
        else:
            yield _judged(origin, answer)

    def _is_insecure(self) -> bool:
        # Browsers take loopback for secure whatever its scheme (Secure Contexts, section 3.1).
        return self._way.target.scheme == "http" and not self._way.target.is_loopback


class OneFunction:
    """The checks of a function at an address of its own."""

    def __init__(self, way: Way, function: str) -> None:
        self._way = way
        self._function = function

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*self._way.checks, Check("answers", self.answers))

    def answers(self) -> Iterator[Finding]:
        """Is it that function?"""
        reason = missing(self._way, self._function)
        if reason:
            yield failed(
                f"{self._function} does not answer: {reason}", "Correct FUNCTION_URLS, or see its log."
            )
        else:
            yield ok(f"{self._function} answers.")


def missing(way: Way, name: str) -> str:
    """Why the function does not answer under its prefix; empty where it does."""
    try:
        answer = exchange(way, "GET", f"/v1/{name}/livez", seconds=2.0)
    except NoAnswer as error:
        return str(error)
    well = answer.status == HTTPStatus.OK and answer.json().get("state") == "ok"
    return "" if well else f"{answer.kind}."


def _judged(origin: str, answer: Answer) -> Finding:
    allowed = answer.all("access-control-allow-origin")
    if len(allowed) > 1 or "," in "".join(allowed):
        return failed(
            "Access-Control-Allow-Origin comes twice: browsers refuse that.",
            "The functions answer CORS themselves: take it out of the proxy or the function URL.",
            ends=False,
        )
    if allowed == [origin]:
        return _credentials(origin, answer)
    if not allowed and not str(answer.json().get("type", "")).startswith(_OURS):
        return failed(
            f"The preflight is not answered by Lambkin: {answer.kind}.",
            "A proxy must pass OPTIONS on, and answer no CORS itself.",
            ends=False,
        )
    return failed(
        f"Pages of {origin} may not call: CORS refuses that origin.",
        f"Give the functions CORS_ORIGINS={origin} (or FRONTEND_URL, while CORS_ORIGINS is empty); "
        "scheme, host and port count.",
        ends=False,
    )


def _credentials(origin: str, answer: Answer) -> Finding:
    headers = answer.header("access-control-allow-headers").lower().replace(" ", "").split(",")
    lacking = [name for name in _ASKED_HEADERS if name not in headers]
    if answer.header("access-control-allow-credentials") != "true":
        lacking.append("credentials")
    if lacking:
        return failed(
            f"Pages of {origin} may call, but not with {', '.join(lacking)}: a proxy has changed the answer.",
            "Let the functions alone answer CORS.",
            ends=False,
        )
    return ok(f"Pages of {origin} may call.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as browsers send it (RFC 6454, section 6.2): no default port."""
    origin = _origin(url).lower()
    default = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(default)


def unlikely_origin(origin: str) -> Iterator[Finding]:
    """An origin that no browser outside of a Docker network ever sends."""
    host = urlsplit(origin).hostname or ""
    if host and "." not in host and ":" not in host and host != "localhost":
        yield warning(
            f"FRONTEND_URL is {origin}: outside of the Docker network no browser sends that origin, "
            "and the links "
            "in mails lead nowhere.",
            "Set FRONTEND_URL to what people type, http://localhost:3000 for example.",
        )
