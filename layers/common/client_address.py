"""The address of the client: the one place that derives it."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from common.settings import Network


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def client_address(peer: str, forwarded_for: Iterable[str], trusted: tuple[Network, ...]) -> str:
    """The address that a request came from.

    `peer` is who connected (the function URL's `sourceIp`, or the socket's); `forwarded_for` are the values
    of all `X-Forwarded-For` headers, in order. A hop is believed only if the one after it is in `trusted`,
    read from the nearest hop outwards; the first that is not trusted is the client. What is no address
    ends the walk.
    """
    address = _parse(peer)
    if address is None:
        return peer
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and _is_trusted(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address)


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    """Whether who connected is one of the `trusted` proxies."""
    address = _parse(peer) if trusted else None
    return address is not None and _is_trusted(address, trusted)


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    return _parse(text) is not None


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, and not of this machine or a private network."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_global


def address_block(address: str) -> str:
    """What limits count: an IPv4 address itself, an IPv6 address by its /64."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return _network(parsed, 64)
    return str(parsed) if parsed else address


def address_site(address: str) -> str | None:
    """The /48 of an IPv6 address, which one customer may have all of (RFC 6177); None for IPv4."""
    parsed = _parse(address)
    return _network(parsed, 48) if isinstance(parsed, IPv6Address) else None


def _network(address: IPv6Address, prefix: int) -> str:
    return str(ip_network((address, prefix), strict=False))
