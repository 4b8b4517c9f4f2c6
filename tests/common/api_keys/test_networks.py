"""A key works from its networks alone."""

import httpx
import pytest

from tests.common.api_keys.app import client_of
from tests.support.api_keys import mint
from tests.support.fixtures import SettingsChange
from tests.support.world import World


class TestNetworks:
    """A key works from its networks alone."""

    @pytest.mark.parametrize(
        ("networks", "peer", "status"),
        [
            ([], "203.0.113.7", 200),
            (["203.0.113.0/24"], "203.0.113.7", 200),
            (["203.0.113.7/32"], "203.0.113.7", 200),
            (["203.0.113.8/32", "203.0.113.6/31"], "203.0.113.7", 200),
            (["203.0.113.8/29"], "203.0.113.7", 403),
            (["0.0.0.0/0"], "203.0.113.7", 200),
            (["::/0"], "203.0.113.7", 403),
            (["203.0.113.0/24"], "::ffff:203.0.113.7", 200),
            (["2001:db8::/32"], "2001:db8:1::5", 200),
            (["2001:db8:2::/48"], "2001:db8:1::5", 403),
            (["0.0.0.0/0"], "2001:db8:1::5", 403),
            (["fe80::/64"], "fe80::1%eth0", 200),
            (["0.0.0.0/0", "::/0"], "a-socket", 403),
            (["0.0.0.0/0", "::/0"], "", 403),
        ],
    )
    def test_of_either_family(self, world: World, networks: list[str], peer: str, status: int) -> None:
        key = mint(world, world.account().id, "files:read", networks=networks)
        with client_of(peer=peer) as client:
            answer = client.get("/files", headers=key.headers)
        assert (answer.status_code, answer.json().get("code", "")) == (
            status,
            "" if status == 200 else "network_not_allowed",
        )

    @pytest.mark.parametrize(
        ("peer", "forwarded", "status"),
        [
            ("10.1.2.3", "203.0.113.9", 200),
            ("10.1.2.3", "198.51.100.7, 203.0.113.9", 200),
            ("10.1.2.3", "203.0.113.9, 10.9.9.9", 200),
            # Whoever asks a trusted proxy may write what he likes before it.
            ("10.1.2.3", "203.0.113.9, 198.51.100.7", 403),
            ("198.51.100.7", "203.0.113.9", 403),
            ("10.1.2.3", "", 403),
            ("fd00::1", "2001:db8::9", 200),
        ],
    )
    def test_behind_a_trusted_proxy(
        self, world: World, settings: SettingsChange, peer: str, forwarded: str, status: int
    ) -> None:
        settings(TRUSTED_PROXIES="10.0.0.0/8, fd00::/8")
        networks = ["203.0.113.0/24", "2001:db8::/32"]
        key = mint(world, world.account().id, "files:read", networks=networks)
        with client_of(peer=peer) as client:
            answer = client.get("/files", headers=key.headers | {"X-Forwarded-For": forwarded})
        assert answer.status_code == status

    def test_are_looked_at_for_a_remembered_key_too(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", networks=["203.0.113.7"])
        assert api.get("/files", headers=key.headers).status_code == 200
        with client_of(peer="198.51.100.1") as elsewhere:
            assert elsewhere.get("/files", headers=key.headers).status_code == 403
