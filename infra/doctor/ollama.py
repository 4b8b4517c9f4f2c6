"""Is it Ollama that answers, and does it have the models?"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from common.settings import Settings
from infra.doctor.exchange import NoAnswer, exchange
from infra.doctor.findings import Check, Finding, failed, ok
from infra.doctor.network import Way


class Ollama:
    """The checks of Ollama; `wanted` are the models that the settings name."""

    def __init__(self, way: Way, wanted: Sequence[str], headers: Mapping[str, str] | None = None) -> None:
        """`headers` are what a proxy in front of Ollama wants."""
        self._way = way
        self._wanted = tuple(dict.fromkeys(wanted))
        self._headers = headers

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*self._way.checks, Check("answers", self.answers), Check("models", self.models))

    def answers(self) -> Iterator[Finding]:
        """`/api/version` tells it from anything else."""
        found = self._ask("/api/version")
        if isinstance(found, Finding):
            yield found
        elif isinstance(found.get("version"), str):
            yield ok(f"Ollama {found['version'][:20]} answers.")
        else:
            yield failed(
                "Something else answers, not Ollama.", "Correct OLLAMA_URL, or stop what holds the port."
            )

    def models(self) -> Iterator[Finding]:
        """Is each model that is wanted pulled?"""
        found = self._ask("/api/tags")
        if isinstance(found, Finding):
            yield found
            return
        listed = found.get("models")
        names = [str(model.get("name", "")) for model in listed or () if isinstance(model, dict)]
        for model in self._wanted:
            # Ollama reads a name without a tag as the tag `latest`.
            if (model if ":" in model else f"{model}:latest") not in names:
                yield failed(f"The model {model} is not pulled.", f"Run `ollama pull {model}`.", ends=False)
        if not names:
            yield failed(
                "It has no model at all.", "Run `ollama pull` with the model that you want.", ends=False
            )
        elif all((model if ":" in model else f"{model}:latest") in names for model in self._wanted):
            yield ok(f"It has {len(names)} model{'s' if len(names) > 1 else ''}.")

    def _ask(self, path: str) -> dict[str, Any] | Finding:
        try:
            answer = exchange(self._way, "GET", path, headers=self._headers)
        except NoAnswer as error:
            return failed(str(error), error.fix or "See Ollama's log; does OLLAMA_URL name its port?")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return failed(
                f"It refuses us: {answer.kind}.",
                "Ollama itself asks for no credentials: a proxy before it does, or refuses this origin. "
                "OLLAMA_HEADERS has what it wants.",
            )
        if answer.status != HTTPStatus.OK:
            return failed(
                f"Something else answers, not Ollama: {answer.kind}.",
                "Correct OLLAMA_URL, or stop what holds the port.",
            )
        return answer.json()


def wanted_models(settings: Settings) -> list[str]:
    """What the settings that name a model name."""
    names = [name for name in Settings.model_fields if name.endswith("_model")]
    return [str(value) for name in names if (value := getattr(settings, name))]
