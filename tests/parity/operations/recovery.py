from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.jobs import run_jobs
from tests.support.world import PASSWORD, World

NEW = "a wholly new password"


def _forgot(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/password/forgot", json={"email": world.account().email})


def _forgot_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/password/forgot", json={"email": "nobody"})


def _reset(api: httpx.Client, world: World) -> httpx.Response:
    email = world.account().email
    api.post("/v1/auth/password/forgot", json={"email": email})
    run_jobs("auth")
    token = world.mails(email)[0].token
    return api.post("/v1/auth/password/reset", json={"token": token, "password": NEW})


def _reset_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/password/reset", json={"token": "unknown", "password": NEW})


def _resend(api: httpx.Client, world: World) -> httpx.Response:
    email = world.account(verified=False).email
    return api.post("/v1/auth/verify-email/resend", json={"email": email})


def _resend_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/verify-email/resend", json={})


def _change_password(api: httpx.Client, world: World) -> httpx.Response:
    body = {"current_password": PASSWORD, "password": NEW}
    return api.put("/v1/auth/password", json=body, headers=world.person().headers)


def _change_password_wrongly(api: httpx.Client, world: World) -> httpx.Response:
    body = {"current_password": "wrong", "password": NEW}
    return api.put("/v1/auth/password", json=body, headers=world.person().headers)


def _change_email(api: httpx.Client, world: World) -> httpx.Response:
    body = {"email": world.address()}
    return api.post("/v1/auth/email", json=body, headers=world.person().headers)


def _change_email_as_nobody(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/email", json={"email": world.address()})


def _confirm_email(api: httpx.Client, world: World) -> httpx.Response:
    email = world.address()
    api.post("/v1/auth/email", json={"email": email}, headers=world.person().headers)
    run_jobs("auth")
    return api.post("/v1/auth/email/confirm", json={"token": world.mails(email)[0].token})


def _confirm_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/email/confirm", json={"token": "unknown"})


def _undo_email(api: httpx.Client, world: World) -> httpx.Response:
    person, email = world.person(), world.address()
    api.post("/v1/auth/email", json={"email": email}, headers=person.headers)
    run_jobs("auth")
    api.post("/v1/auth/email/confirm", json={"token": world.mails(email)[0].token})
    return api.post("/v1/auth/email/undo", json={"token": world.mails(person.email)[0].token})


def _undo_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/email/undo", json={"token": "unknown"})


OPERATIONS: Final[dict[str, Operation]] = {
    "forgot_password": (_forgot, 202, _forgot_nothing, 422, "invalid_input"),
    "reset_password": (_reset, 200, _reset_nothing, 400, "invalid_link"),
    "resend_verification": (_resend, 202, _resend_nothing, 422, "invalid_input"),
    "change_password": (_change_password, 204, _change_password_wrongly, 401, "invalid_credentials"),
    "change_email": (_change_email, 202, _change_email_as_nobody, 401, "unauthenticated"),
    "confirm_email": (_confirm_email, 200, _confirm_nothing, 400, "invalid_link"),
    "undo_email": (_undo_email, 200, _undo_nothing, 400, "invalid_link"),
}
