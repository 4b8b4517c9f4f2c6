from ipaddress import ip_network

import pytest

from common.client_address import address_block, address_site, client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.1", [], "203.0.113.1"),
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
        ("2001:db8:aaaa::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_a_hop_is_believed_only_from_a_trusted_one(peer: str, forwarded: list[str], expected: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_without_trusted_proxies_only_the_peer_counts() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8::5", "2001:db8::/64"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("", ""),
    ],
)
def test_limits_count_ipv6_by_its_64(address: str, block: str) -> None:
    assert address_block(address) == block


@pytest.mark.parametrize(
    ("address", "site"),
    [("203.0.113.1", None), ("2001:db8:1:2::5", "2001:db8:1::/48"), ("::ffff:203.0.113.1", None), ("", None)],
)
def test_and_by_its_48_as_well(address: str, site: str | None) -> None:
    assert address_site(address) == site
