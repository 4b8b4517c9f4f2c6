"""What stands between: does it cut, drop or hold back what passes?

Only what can be told without an account is tried: nothing is written, and no operation that is open streams.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from infra.doctor.exchange import Answer, NoAnswer, exchange
from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.network import Way

MOST_BYTES: Final = 12 * 1024 * 1024
"""Above the 10 MB at which a proxying Next.js cuts request bodies; more is not sent."""
_BODY_SECONDS = 5.0
_COLLECT_SECONDS = 1.0
_OURS: Final = "urn:lambkin:problem:"
_TAKES_JSON: Final = "/v1/users"
_LARGE_ANSWER: Final = "/v1/users/openapi.json"
_NEXT_JS: Final = "Next.js cuts bodies at 10 MB: raise `experimental.proxyClientMaxBodySize`"
# What they do unless told otherwise; which they are, they say in their headers.
_HOLD_BACK: Final = {
    "next.js": "answers of streams through a route handler that returns `upstream.body`, as rewrites "
    "hold them back",
    "nginx": "`proxy_buffering off` for /v1, as it collects answers otherwise",
    "apache": "`flushpackets=on` for /v1, as it collects answers otherwise",
    "cloudfront": "a function URL that streams behind it",
}


class Passage:
    """What passes between here and the backend."""

    def __init__(self, way: Way, largest_body: int) -> None:
        self._way = way
        self._limit = largest_body
        self._size = min(largest_body, MOST_BYTES)

    @property
    def checks(self) -> tuple[Check, ...]:
        """None of them ends the chain."""
        return (
            Check("tokens", self.tokens),
            Check("requests", self.requests),
            Check("responses", self.responses),
            Check("buffering", self.buffering),
        )

    def tokens(self) -> Iterator[Finding]:
        """Does `Authorization` arrive? A wrong token is refused otherwise than none."""
        try:
            answer = exchange(self._way, "GET", "/v1/users/me", headers={"Authorization": "Bearer doctor"})
        except NoAnswer as error:
            yield warning(f"A request with a token: {error}", "See the log of users.")
            return
        code = _code(answer)
        if code == "unauthenticated":
            yield failed(
                "The header Authorization gets lost on the way: nobody can be signed in.",
                "Have the proxy pass it on (CloudFront: an origin request policy; Apache: `CGIPassAuth On`).",
                ends=False,
            )
        elif code == "invalid_token":
            yield ok("The header Authorization arrives.")
        else:
            yield warning(
                f"A request with a wrong token gets {answer.kind}, not our refusal.",
                "Does `lambkin doctor --from users` show a fault? A proxy may also check tokens itself.",
            )

    def requests(self) -> Iterator[Finding]:
        """Does a body as large as functions take arrive whole?

        Its JSON ends with its last byte: cut, it is none. It is refused for want of a token in any case.
        """
        body = b" " * (self._size - 2) + b"{}"
        headers = {"Content-Type": "application/json"}
        try:
            answer = exchange(
                self._way, "POST", _TAKES_JSON, headers=headers, body=body, seconds=_BODY_SECONDS
            )
        except NoAnswer as error:
            yield warning(
                f"A request of {_size(self._size)} gets no answer. {error}",
                f"A proxy may wait for bytes that it has cut off ({_NEXT_JS}), or the line is slow.",
            )
        else:
            yield self._judge_request(answer)

    def _judge_request(self, answer: Answer) -> Finding:
        code, size = _code(answer), _size(self._size)
        if code == "unauthenticated":
            return ok(f"A request of {size} arrives whole.")
        if code == "bad_request":
            return failed(
                f"A request of {size} arrives cut off.",
                f"A proxy truncates bodies. {_NEXT_JS}; for others it is their limit of the body's size.",
                ends=False,
            )
        if code == "content_too_large":
            return warning(
                f"The functions take less than {size}, which MAX_BODY_BYTES is here.",
                "Set MAX_BODY_BYTES alike for them and for what asks them.",
            )
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return failed(
                f"A proxy refuses a request of {size} that the functions would take ({answer.kind}).",
                "Raise its limit to MAX_BODY_BYTES (nginx: `client_max_body_size`; Caddy: "
                "`request_body max_size`).",
                ends=False,
            )
        return warning(
            f"A request of {size} gets {answer.kind}, not our refusal.",
            "What stands before the functions answers in their place: see its log.",
        )

    def responses(self) -> Iterator[Finding]:
        """Does a large answer arrive whole, and who might hold back a stream?"""
        try:
            answer = exchange(self._way, "GET", _LARGE_ANSWER)
        except NoAnswer as error:
            yield warning(f"A large answer does not arrive. {error}", "See the proxy's log.")
            return
        if not answer.whole or (answer.status == HTTPStatus.OK and not answer.json()):
            yield failed(
                f"A large answer arrives cut off, after {_size(len(answer.body))}.",
                "A proxy truncates answers: see its buffers, its disk and its log.",
                ends=False,
            )
        elif answer.status == HTTPStatus.OK:
            yield ok(f"An answer of {_size(len(answer.body))} arrives whole.")
        yield from _in_between(answer)

    def buffering(self) -> Iterator[Finding]:
        """Is a request passed on before it is complete?

        Functions refuse an announced length above their limit before they read on: who is refused without
        having sent the body has nobody in between who collects it.
        """
        headers = {"Content-Type": "application/json", "Content-Length": str(self._limit + 1)}
        try:
            answer = exchange(
                self._way, "POST", _TAKES_JSON, headers=headers, body=b"{", seconds=_COLLECT_SECONDS
            )
        except NoAnswer:
            yield ok(
                "Requests are collected before they are passed on, as function URLs and some proxies "
                "do; who does "
                "so may hold back streams as well."
            )
        else:
            if _code(answer) == "content_too_large":
                yield ok("Requests are passed on as they come.")


def _in_between(answer: Answer) -> Iterator[Finding]:
    says = " ".join(
        [*answer.all("server"), *answer.all("via"), *answer.all("x-powered-by")],
    ).lower()
    for name, advice in _HOLD_BACK.items():
        if name in says:
            yield ok(
                f"{name.title()} is in between. Whether it holds back streams cannot be told; it "
                f"wants {advice}."
            )


def _code(answer: Answer) -> str:
    """The code of a problem of ours, or an empty string."""
    found = answer.json()
    return str(found.get("code", "")) if str(found.get("type", "")).startswith(_OURS) else ""


def _size(count: int) -> str:
    return f"{count / 1_048_576:.1f} MiB" if count >= 1_048_576 else f"{max(1, count // 1024)} KiB"
