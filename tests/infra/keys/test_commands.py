"""`lambkin keys`, as an operator runs it."""

import re
import subprocess
import sys
from datetime import timedelta
from typing import Final

from common.encryption import decrypt
from common.settings import get_settings
from functions.auth.rotation import PUBLISHED_AHEAD
from infra.local.home import PROJECT
from migrations import runner
from tests.infra.keys.lambkin import NEW, refused, succeeded
from tests.support.fixtures import SettingsChange
from tests.support.world import World

KID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def states() -> list[str]:
    return [line.split()[1] for line in succeeded("list").splitlines()[1:]]


def test_list_of_nothing_says_when_there_will_be_a_key(own: World) -> None:
    assert succeeded("list") == "There is no signing key yet: the first sign-in makes it.\n"


def test_rotate_publishes_a_key_that_signs_later(own: World) -> None:
    own.person()
    told = succeeded("rotate")
    [successor] = set(KID.findall(told))
    ahead = own.scalar("select active_at - created_at from signing_keys where id = :id", id=successor)
    assert abs(ahead - PUBLISHED_AHEAD) < timedelta(seconds=5)
    assert states() == ["signs", "next"]
    assert successor in succeeded("list").splitlines()[-1]
    assert "--now" in refused("rotate")
    assert f"Key {successor} signs from now on." in succeeded("rotate", "--now")
    assert states() == ["verifies", "signs"]


def test_revoke_names_the_successor_and_both_bounds(own: World) -> None:
    own.person()
    [revoked] = KID.findall(succeeded("list"))
    told = succeeded("revoke", revoked)
    assert "within 30 s" in told
    assert "within 300 s" in told
    [successor] = set(KID.findall(told)) - {revoked}
    assert KID.findall(succeeded("list")) == [successor]
    assert "keys list" in refused("revoke", revoked)


def test_two_commands_at_once_leave_one_key_to_come(own: World) -> None:
    own.person()
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "keys", "rotate"],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [command.communicate(timeout=60)[1] for command in commands]
    assert sorted(command.returncode for command in commands) == [0, 1]
    assert "".join(told).count("is published already") == 1
    assert states() == ["signs", "next"]


def test_a_key_is_not_made_under_an_encryption_key_that_the_functions_lack(
    own: World, settings: SettingsChange
) -> None:
    own.person()
    settings(ENCRYPTION_KEYS=NEW)
    assert "ENCRYPTION_KEYS" in refused("rotate")
    assert "ENCRYPTION_KEYS" in refused("revoke", *KID.findall(succeeded("list")))
    assert states() == ["signs"]
    # The way back where that key is lost.
    [successor] = set(KID.findall(succeeded("rotate", "--now", "--force")))
    [row] = own.rows("select * from signing_secrets")
    assert str(row.key_id) == successor
    assert decrypt(row.ciphertext, f"signing-key:{successor}")


def test_a_database_that_is_not_there_is_one_sentence(settings: SettingsChange) -> None:
    settings(DATABASE_URL="postgresql+pg8000://nobody:secret@127.0.0.1:1/nothing")
    for command in ("list", "rotate", "reencrypt"):
        complained = refused(command)
        assert "127.0.0.1:1" in complained
        assert "secret" not in complained


def test_an_older_database_is_to_be_migrated_first(own: World) -> None:
    runner.downgrade(get_settings().database_url, "0001")
    assert "lambkin migrate up" in refused("list")


def test_a_functions_role_is_refused(settings: SettingsChange) -> None:
    settings(DATABASE_URL="postgresql+pg8000://lambkin_auth:x@127.0.0.1:1/nothing")
    assert "owner" in refused("list")
