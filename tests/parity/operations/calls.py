from collections.abc import Callable

import httpx

from tests.support.world import World

type Call = Callable[[httpx.Client, World], httpx.Response]
type Operation = tuple[Call, int, Call, int, str]
"""Success, its status, refusal, its status, its code."""


def get(path: str) -> Call:
    return lambda api, _: api.get(path)


def post(path: str) -> Call:
    return lambda api, _: api.post(path)
