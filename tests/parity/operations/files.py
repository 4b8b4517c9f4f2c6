import hashlib
from typing import Final
from uuid import UUID

import httpx

from common.aws import aws_client
from common.ids import new_id
from common.settings import get_settings
from tests.functions.files.pictures import jpeg
from tests.parity.operations.calls import Operation
from tests.support.files import make_file
from tests.support.world import Person, World

FILES: Final = "/v1/files"
UPLOADS: Final = f"{FILES}/uploads"
POEM: Final = "Shall I compare thee to a summer’s day?\n".encode()
WANTED: Final = {"name": "sonnet ✓.txt", "size": len(POEM), "sha256": hashlib.sha256(POEM).hexdigest()}
IN_PARTS: Final = {"name": "sonnet.txt", "size": len(POEM), "in_parts": True}


def _start(api: httpx.Client, person: Person, wanted: dict[str, object]) -> str:
    answer = api.post(UPLOADS, json=wanted, headers=person.headers)
    return f"{UPLOADS}/{answer.json()['id']}"


def _upload(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers | {"Idempotency-Key": str(new_id())}
    return api.post(FILES, files={"file": ("sonnet ✓.txt", POEM, "text/plain")}, headers=headers)


def _upload_a_lie(api: httpx.Client, world: World) -> httpx.Response:
    named = {"file": ("sonnet.png", POEM, "image/png")}
    return api.post(FILES, files=named, headers=world.person().headers)


def _begin(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(UPLOADS, json=WANTED, headers=world.person().headers)


def _begin_too_much(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(UPLOADS, json=IN_PARTS | {"size": 40 * 1024**3}, headers=world.person().headers)


def _read_upload(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(_start(api, person, WANTED), headers=person.headers)


def _read_no_upload(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"{UPLOADS}/{new_id()}", headers=world.person().headers)


def _ask_for_parts(api: httpx.Client, world: World, wanted: dict[str, object]) -> httpx.Response:
    person = world.person()
    path = f"{_start(api, person, wanted)}/parts"
    return api.post(path, json={"parts": [{"number": 1}]}, headers=person.headers)


def _complete(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    started = api.post(UPLOADS, json=WANTED, headers=person.headers).json()
    httpx.put(started["request"]["url"], content=POEM, headers=started["request"]["headers"])
    return api.post(f"{UPLOADS}/{started['id']}/complete", headers=person.headers)


def _complete_too_early(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.post(f"{_start(api, person, WANTED)}/complete", headers=person.headers)


def _abort(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.delete(_start(api, person, WANTED), headers=person.headers)


def _abort_anothers(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(_start(api, world.person(), WANTED), headers=world.person().headers)


def _list(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    for name in ("sonnet ✓.txt", "sonnet.txt"):
        make_file(world, person.id, name=name)
    return api.get(FILES, params={"limit": 1, "q": "SONNET"}, headers=person.headers)


def _list_after_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(FILES, params={"cursor": "AAAA"}, headers=world.person().headers)


def _usage(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"{FILES}/usage", headers=world.person().headers)


def _usage_of_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.get(f"{FILES}/usage")


def _read(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(f"{FILES}/{make_file(world, person.id)}", headers=person.headers)


def _read_anothers(api: httpx.Client, world: World) -> httpx.Response:
    theirs = make_file(world, world.account().id)
    return api.get(f"{FILES}/{theirs}", headers=world.person().headers)


def _change(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    headers = person.headers | {"If-Match": '"1"'}
    return api.patch(f"{FILES}/{make_file(world, person.id)}", json={"tags": ["✓"]}, headers=headers)


def _change_blindly(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.patch(f"{FILES}/{make_file(world, person.id)}", json={"tags": []}, headers=person.headers)


def _discard(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.delete(f"{FILES}/{make_file(world, person.id)}", headers=person.headers)


def _discard_another_version(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    headers = person.headers | {"If-Match": '"7"'}
    return api.delete(f"{FILES}/{make_file(world, person.id)}", headers=headers)


def _restore(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    path = f"{FILES}/{make_file(world, person.id)}"
    api.delete(path, headers=person.headers)
    return api.post(f"{path}/restore", headers=person.headers)


def _restore_what_is_there(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.post(f"{FILES}/{make_file(world, person.id)}/restore", headers=person.headers)


def _content(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(f"{FILES}/{make_file(world, person.id)}/content", headers=person.headers)


def _content_too_early(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    file_id = make_file(world, person.id, state="processing")
    return api.get(f"{FILES}/{file_id}/content", headers=person.headers)


def _content_link(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(f"{FILES}/{make_file(world, person.id)}/content-link", headers=person.headers)


def _link_to_anothers(api: httpx.Client, world: World) -> httpx.Response:
    path = f"{FILES}/{make_file(world, world.account().id)}/content-link"
    return api.get(path, headers=world.person().headers)


def _photograph(world: World, person: Person) -> UUID:
    """A file with a picture that is in the bucket."""
    known = {"name": "256", "key": "x", "width": 30, "height": 20, "size": 1, "media_type": "image/webp"}
    values = {"media_type": "image/jpeg", "width": 60, "height": 40, "renditions": [known]}
    file_id = make_file(world, person.id, **values)
    key = world.scalar(
        "select object_key from file_contents c join files f on f.content_id = c.id where f.id = :id",
        id=file_id,
    )
    aws_client("s3", timeout_seconds=10).put_object(Bucket=get_settings().bucket, Key=key, Body=jpeg(60, 40))
    return file_id


def _image(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    path = f"{FILES}/{_photograph(world, person)}/image"
    return api.get(path, params={"w": 30, "fit": "cover"}, headers=person.headers)


def _image_of_a_text(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(f"{FILES}/{make_file(world, person.id)}/image", headers=person.headers)


def _sign(api: httpx.Client, world: World, person: Person, file_id: UUID) -> httpx.Response:
    return api.post(f"{FILES}/{file_id}/image-links", json={"w": 30}, headers=person.headers)


def _sign_ones_own(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return _sign(api, world, person, make_file(world, person.id))


def _sign_anothers(api: httpx.Client, world: World) -> httpx.Response:
    return _sign(api, world, world.person(), make_file(world, world.account().id))


def _follow(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    link = httpx.URL(_sign(api, world, person, _photograph(world, person)).json()["url"])
    return api.get(link.raw_path.decode())


def _follow_to_another_size(api: httpx.Client, world: World) -> httpx.Response:
    link = httpx.URL(_sign_ones_own(api, world).json()["url"]).copy_set_param("w", "31")
    return api.get(link.raw_path.decode())


OPERATIONS: Final[dict[str, Operation]] = {
    "upload_file": (_upload, 201, _upload_a_lie, 415, "type_mismatch"),
    "start_upload": (_begin, 201, _begin_too_much, 413, "quota_exceeded"),
    "read_upload": (_read_upload, 200, _read_no_upload, 404, "no_upload"),
    "request_parts": (
        lambda api, world: _ask_for_parts(api, world, IN_PARTS),
        200,
        lambda api, world: _ask_for_parts(api, world, WANTED),
        409,
        "not_in_parts",
    ),
    "complete_upload": (_complete, 200, _complete_too_early, 409, "not_arrived"),
    "abort_upload": (_abort, 204, _abort_anothers, 404, "no_upload"),
    "list_files": (_list, 200, _list_after_nothing, 400, "broken_cursor"),
    "read_usage": (_usage, 200, _usage_of_nobody, 401, "unauthenticated"),
    "read_file": (_read, 200, _read_anothers, 404, "not_found"),
    "change_file": (_change, 200, _change_blindly, 428, "precondition_required"),
    "discard_file": (_discard, 204, _discard_another_version, 412, "precondition_failed"),
    "restore_file": (_restore, 200, _restore_what_is_there, 409, "not_in_trash"),
    "read_image": (_image, 302, _image_of_a_text, 409, "no_picture"),
    "sign_image_link": (_sign_ones_own, 200, _sign_anothers, 404, "not_found"),
    "read_public_image": (_follow, 302, _follow_to_another_size, 403, "invalid_signature"),
    "read_content": (_content, 302, _content_too_early, 409, "still_processing"),
    "read_content_link": (_content_link, 200, _link_to_anothers, 404, "not_found"),
}
WITH_A_BUCKET: Final = {"upload_file", "request_parts", "complete_upload", "read_image", "read_public_image"}
"""Those that ask it something; an address in it is signed without."""
