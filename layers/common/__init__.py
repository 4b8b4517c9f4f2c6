"""The shared layer. In Lambda, FastAPI is imported here, without what only its documentation needs.

A start answers one request, and nearly none asks for the description of the API. Importing FastAPI makes the
thirty models of that description, and loads email-validator, where a function has it, for one of their
fields: a tenth of a start. Here the models wait for their first use (`defer_build`), and that one field is a
string.
"""

import os
import sys


def _import_fastapi() -> None:
    from pydantic import BaseModel

    kept = BaseModel.model_config
    # FastAPI asks for it by importing it; a module that is None is one that is not there.
    sys.modules["email_validator"] = None  # type: ignore[assignment]  # Python's own mark for that
    BaseModel.model_config = {**kept, "defer_build": True}
    try:
        import fastapi.openapi.models  # noqa: F401 - for its effect
    finally:
        BaseModel.model_config = kept
        del sys.modules["email_validator"]


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and "fastapi" not in sys.modules:
    _import_fastapi()
