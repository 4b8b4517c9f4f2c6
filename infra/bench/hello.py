"""The reference of every ratio: the smallest FastAPI application with a `def` endpoint, behind Mangum.

No response model: with one, FastAPI hops to a thread twice, and the reference would flatter us.
"""

from typing import Any, cast

from fastapi import FastAPI
from mangum import Mangum

app = FastAPI()


@app.get("/hello", response_model=None)
def hello() -> dict[str, str]:
    """Answer."""
    return {"message": "Hello"}


handler = Mangum(cast("Any", app), lifespan="off")
