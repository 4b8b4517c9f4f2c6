"""What one person does with each file: uploads it, waits for what becomes of it, and has all of it back."""

import hashlib
import mimetypes
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from infra.local.demo import Account

SIMPLE_BYTES: Final = 4 * 1024**2
"""What is longer goes straight to the bucket."""

PATIENCE_SECONDS: Final = 300.0
_WAIT_SECONDS: Final = 20
_ANSWER_SECONDS: Final = 90.0
_MOST_REPETITIONS: Final = 5
# The content decides: what a name would say is wrong for the best of these files.
_UNKNOWN: Final = "application/octet-stream"
_PICTURE: Final = {"w": 200, "h": 200, "fit": "inside", "format": "webp"}


class Wrong(Exception):
    """An answer that no client should get; the message says which."""


@dataclass(slots=True)
class Travelled:
    """What became of one file; `faults` is empty unless we did wrong.

    `outcome` is `ready`, `rejected` or `refused`, the last where the upload itself was; `code` and `detail`
    are the reason that was stated. `seconds` are those from the first byte that was sent to the outcome, with
    those that it waited for others. `stored` holds what was given back: `original`, each rendition by its
    name, and `picture`, one that was asked for. What the decoder needed is 0 where it did not look at the
    file.
    """

    source: Path
    size: int
    outcome: str = ""
    code: str = ""
    detail: str = ""
    seconds: float = 0.0
    request_id: str = ""
    file: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Path] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    decoding_seconds: float = 0.0
    peak_bytes: int = 0
    repetitions: int = 0
    """How often `picture` was asked for again, as all were busy."""
    named: bool = False
    """Whether it is one of the three that the requirements name."""

    @property
    def reason(self) -> str:
        """The code; of what is ready its media type."""
        return self.code or str(self.file.get("media_type", ""))


class Traveller:
    """A person with a session, as a client has one. Thread-safe."""

    def __init__(self, url: str, account: Account) -> None:
        limits = httpx.Limits(max_connections=20)
        self._api = httpx.Client(base_url=url, timeout=_ANSWER_SECONDS, limits=limits, trust_env=False)
        self._bucket = httpx.Client(timeout=_ANSWER_SECONDS, limits=limits, trust_env=False)
        self._account = account
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._bucket.close()

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """An answer of `files`. Raises httpx.HTTPError, Wrong."""
        headers = {"Authorization": f"Bearer {self._access()}"}
        return self._api.request(method, f"/v1/files{path}", headers=headers, **options)

    def _access(self) -> str:
        """A token that works for a while yet: a client signs in again before it ends."""
        with self._lock:
            if time.monotonic() > self._renew_at:
                credentials = {"email": self._account.email, "password": self._account.password}
                answer = self._api.post("/v1/auth/login", json=credentials)
                if answer.status_code != 200:
                    raise Wrong(f"signing in was answered by {_told(answer)}")
                self._token = str(answer.json()["access_token"])
                self._renew_at = time.monotonic() + float(answer.json()["expires_in"]) / 2
            return self._token

    def take(self, source: Path, folder: Path) -> Travelled:
        """Take a file all the way; what comes back goes into `folder`."""
        travelled = Travelled(source, source.stat().st_size)
        since = time.monotonic()
        try:
            answer = self._upload(source)
            travelled.request_id = answer.headers.get("X-Request-ID", "")
            if _is_refused(answer, travelled.size):
                problem = answer.json()
                travelled.outcome = "refused"
                travelled.code, travelled.detail = problem["code"], problem["detail"]
                travelled.seconds = time.monotonic() - since
                return travelled
            travelled.file = self._ended(_ok(answer, 200, 201).json())
            travelled.seconds = time.monotonic() - since
            self._look(travelled, folder)
        except (httpx.HTTPError, Wrong) as error:
            travelled.faults.append(str(error) or type(error).__name__)
        return travelled

    def _upload(self, source: Path) -> httpx.Response:
        """The answer that makes it a file, or refuses it."""
        content, name = source.read_bytes(), source.name.rpartition("__")[2]
        if len(content) <= SIMPLE_BYTES:
            return self.call("POST", "", files={"file": (name, content, _UNKNOWN)})
        wanted = {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        started = _ok(self.call("POST", "/uploads", json=wanted), 201).json()
        if started["file"] is not None:
            return self.call("GET", f"/{started['file']['id']}")
        request = started["request"]
        _ok(
            self._bucket.request(
                request["method"], request["url"], headers=request["headers"], content=content
            ),
            200,
        )
        return self.call("POST", f"/uploads/{started['id']}/complete")

    def _ended(self, file: dict[str, Any]) -> dict[str, Any]:
        """The file when it has been looked at."""
        since = time.monotonic()
        while file["state"] == "processing":
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise Wrong(f"it was still processing after {PATIENCE_SECONDS:.0f} s")
            file = _ok(self.call("GET", f"/{file['id']}", params={"wait": _WAIT_SECONDS}), 200).json()
        return file

    def _look(self, travelled: Travelled, folder: Path) -> None:
        file = travelled.file
        travelled.outcome = file["state"]
        if file["state"] == "ready":
            self._have_back(travelled, folder)
            return
        if file["state"] != "rejected" or not (file["rejection"] or {}).get("code"):
            raise Wrong(f"it ended {file['state']} without a reason")
        travelled.code, travelled.detail = file["rejection"]["code"], file["rejection"]["detail"]
        if self.call("GET", f"/{file['id']}/content").status_code != 409:
            raise Wrong("its content is given out although it was rejected")

    def _have_back(self, travelled: Travelled, folder: Path) -> None:
        """All that the bucket keeps of it, as its owner gets it."""
        file = travelled.file
        folder.mkdir(parents=True)
        address = f"/{file['id']}/content"
        original = folder / f"original{mimetypes.guess_extension(file['media_type']) or ''}"
        travelled.stored["original"] = self._kept(address, {}, original, file["size"])
        renditions = file["image"]["renditions"] if file["image"] else []
        for each in renditions:
            name = each["name"]
            path = folder / f"{name}.webp"
            travelled.stored[name] = self._kept(address, {"rendition": name}, path, each["size"])
        if not renditions:
            return
        answer = self._picture(travelled, f"/{file['id']}/image")
        if answer is not None:
            travelled.stored["picture"] = self._written(answer, folder / "picture.webp")

    def _picture(self, travelled: Travelled, address: str) -> httpx.Response | None:
        """Where a picture is that was asked for, again where all are busy, as the answer says.

        None where they were busy every time.
        """
        for _ in range(_MOST_REPETITIONS):
            answer = self.call("GET", address, params=_PICTURE)
            if answer.status_code != 503 or "Retry-After" not in answer.headers:
                return _ok(answer, 302)
            travelled.repetitions += 1
            time.sleep(float(answer.headers["Retry-After"]))
        return None

    def _kept(self, address: str, query: dict[str, str], path: Path, size: int) -> Path:
        written = self._written(self.call("GET", address, params=query), path)
        if written.stat().st_size != size:
            raise Wrong(f"{path.name} has {written.stat().st_size} bytes, and was said to have {size}")
        return written

    def _written(self, answer: httpx.Response, path: Path) -> Path:
        """What an answer holds, or what is in the bucket where it leads."""
        if answer.status_code == 302:
            answer = self._bucket.get(answer.headers["location"])
        path.write_bytes(_ok(answer, 200).content)
        return path


def _is_refused(answer: httpx.Response, size: int) -> bool:
    """Whether the upload was refused for what it is: of a type that is not taken, or of no bytes."""
    return answer.status_code == 415 or (answer.status_code == 422 and size == 0)


def _ok(answer: httpx.Response, *wanted: int) -> httpx.Response:
    if answer.status_code not in wanted:
        where = f"{answer.request.method} {answer.request.url.path}"
        raise Wrong(f"{where} was answered by {_told(answer)}")
    return answer


def _told(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:300]}"
