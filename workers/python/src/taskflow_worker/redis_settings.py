"""Where a lane's Redis is: by the names, the URLs and the rules that all processes have."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple
from urllib.parse import unquote

from .settings_reader import SettingsReader


class Address(NamedTuple):
    """Of a server."""

    host: str
    port: int


@dataclass(frozen=True)
class RedisTls:
    """Files for connections with TLS, as PEM."""

    ca_file: str | None = None
    """Certificates of the authorities to trust. Default: the system's."""
    cert_file: str | None = None
    """The worker's own certificate, for a Redis that asks for one."""
    key_file: str | None = None
    """Its key."""

    def open(self) -> ssl.SSLContext:
        """Reads the files. Servers must have certificates with the names or addresses that are connected to.

        Raises OSError for what cannot be read or is not what it should be (ssl.SSLError is one).
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True)
class RedisServer:
    """Where a lane's Redis is, how to reach it, and as whom to log in. Without a password nobody logs in."""

    addresses: tuple[Address, ...] = (Address("127.0.0.1", 6379),)
    """The server's; or those of Sentinels or nodes, which are asked in turn. At least one."""
    kind: Literal["server", "sentinel", "cluster"] = "server"
    """One server; Sentinels, which know where it is; or nodes of a cluster."""
    username: str | None = None
    """Default: Redis's user "default"."""
    password: str | None = None
    sentinel_name: str | None = None
    """By what name Sentinels know the primary."""
    sentinel_password: str | None = None
    """What Sentinels want to hear themselves."""
    tls: RedisTls | None = None
    """Default: without TLS."""


_REDIS_PORT = 6379
_SENTINEL_PORT = 26_379
_URL_RULE = (
    "must be redis://, redis+cluster:// or redis+sentinel:// (rediss… with TLS), then user:password@, hosts with commas"
    " between, and for Sentinels /<name of the primary>; as redis+sentinel://a:26379,b:26379/mymaster"
)
# Kind, user, password, hosts, and what follows them.
_URL_FORM = re.compile(
    r"redis(s?)(?:\+(sentinel|cluster))?://(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:/([^/?#]*))?"
)
_ADDRESS_FORM = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]\s]+))(?::(\d{1,5}))?", re.ASCII)
_BARE_IPV6 = re.compile(r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")

_Complain = Callable[[str, str], None]


def read_redis_server(reader: SettingsReader, lane: Literal["HIGH", "LOW"]) -> RedisServer:
    """Reads ``REDIS_URL_HIGH`` and its like. What is wrong with them taken together is told to the reader."""

    def complain(name: str, complaint: str) -> None:
        reader.problems.append(f"REDIS_{name}_{lane}: {complaint}")

    def text(name: str) -> str | None:
        return reader.text_or_none(f"REDIS_{name}_{lane}")

    url = text("URL")
    named = _from_names(reader, lane)
    server = named if url is None else _from_url(url)
    if server is None:
        complain("URL", _URL_RULE)
        return named
    username, password = text("USERNAME"), text("PASSWORD")
    if url is not None:
        given = replace(named, username=username, password=password)
        for name, complaint in _contradictions(server, given, lane):
            complain(name, complaint)
    elif named.kind == "sentinel" and reader.boolean(f"REDIS_CLUSTER_{lane}"):
        complain("CLUSTER", f"a Redis Cluster needs no Sentinels; set only one of this and REDIS_SENTINEL_{lane}")
    elif not server.addresses:
        complain("HOST", "must be a host, or several with commas between, as a:6379,b:6379")
    elif server.kind == "server" and len(server.addresses) > 1:
        complain(
            "HOST", f"names several hosts: set REDIS_CLUSTER_{lane}=true, or REDIS_SENTINEL_{lane} to the primary's name"
        )
    sentinel_password = text("SENTINEL_PASSWORD")
    if sentinel_password is not None and server.kind != "sentinel":
        complain("SENTINEL_PASSWORD", f"there are no Sentinels; set REDIS_SENTINEL_{lane} to the primary's name")
    files = RedisTls(text("CA_FILE"), text("CERT_FILE"), text("KEY_FILE"))
    _check_files(files, server.tls is not None, lane, complain)
    return replace(
        server,
        username=server.username if server.username is not None else username,
        password=server.password if server.password is not None else password,
        sentinel_password=sentinel_password,
        tls=None if server.tls is None else files,
    )


def _from_names(reader: SettingsReader, lane: str) -> RedisServer:
    sentinel_name = reader.text_or_none(f"REDIS_SENTINEL_{lane}")
    is_cluster = reader.boolean(f"REDIS_CLUSTER_{lane}")
    port = reader.whole(f"REDIS_PORT_{lane}", _REDIS_PORT, 1, 65_535)
    return RedisServer(
        addresses=_addresses_of(reader.text(f"REDIS_HOST_{lane}", "127.0.0.1"), port),
        kind="sentinel" if sentinel_name is not None else "cluster" if is_cluster else "server",
        sentinel_name=sentinel_name,
        tls=RedisTls() if reader.boolean(f"REDIS_TLS_{lane}") else None,
    )


def _from_url(url: str) -> RedisServer | None:
    """None for what is no URL of a Redis."""
    match = _URL_FORM.fullmatch(url)
    if not match or any(_BAD_ESCAPE.search(part or "") for part in match.groups()):
        return None
    secure, way, username, password, hosts, path = match.groups(default="")
    addresses = _addresses_of(hosts, _SENTINEL_PORT if way == "sentinel" else _REDIS_PORT)
    # Database 0 is the only one of a cluster, and ours: prefixes keep TaskFlows apart.
    is_path_good = path != "" if way == "sentinel" else path in ("", "0")
    if not addresses or not is_path_good or (way == "" and len(addresses) > 1):
        return None
    return RedisServer(
        addresses=addresses,
        kind="sentinel" if way == "sentinel" else "cluster" if way == "cluster" else "server",
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_name=unquote(path) if way == "sentinel" else None,
        tls=RedisTls() if secure else None,
    )


def _addresses_of(hosts: str, port: int) -> tuple[Address, ...]:
    """``a``, ``a:6379``, ``[::1]:6379``, with commas between. None where one is none of these."""
    # A single address of IPv6 may stand without brackets where no port can follow it.
    if _BARE_IPV6.fullmatch(hosts):
        return (Address(hosts, port),)
    matches = [_ADDRESS_FORM.fullmatch(host.strip()) for host in hosts.split(",")]
    addresses = [Address(match[1] or match[2], int(match[3] or port)) for match in matches if match]
    is_good = len(addresses) == len(matches) and all(1 <= address.port <= 65_535 for address in addresses)
    return tuple(addresses) if is_good else ()


def _contradictions(server: RedisServer, named: RedisServer, lane: str) -> Iterator[tuple[str, str]]:
    """What a URL says, nothing else may say otherwise."""
    if named.tls is not None and server.tls is None:
        yield "TLS", f"write rediss in REDIS_URL_{lane}, which says redis"
    if named.kind == "cluster" and server.kind != "cluster":
        yield "CLUSTER", f"write redis+cluster:// in REDIS_URL_{lane}"
    if named.sentinel_name is not None and named.sentinel_name != server.sentinel_name:
        yield "SENTINEL", f"write redis+sentinel://…/{named.sentinel_name} in REDIS_URL_{lane}"
    pairs = (("USERNAME", server.username, named.username), ("PASSWORD", server.password, named.password))
    for name, in_url, beside in pairs:
        if in_url is not None and beside is not None and in_url != beside:
            yield name, f"REDIS_URL_{lane} has another one; give it once"


def _check_files(files: RedisTls, is_tls: bool, lane: str, complain: _Complain) -> None:
    if (files.cert_file is None) != (files.key_file is None):
        missing = "CERT_FILE" if files.cert_file is None else "KEY_FILE"
        complain(missing, "a certificate needs its key: set both or none")
    given = {"CA_FILE": files.ca_file, "CERT_FILE": files.cert_file, "KEY_FILE": files.key_file}
    are_readable = True
    for name, file in given.items():
        if file is None:
            continue
        if not is_tls:
            complain(name, f"is for TLS: set REDIS_TLS_{lane}=true, or write rediss:// in REDIS_URL_{lane}")
        elif not _is_readable(file):
            complain(name, f"cannot read {file}")
        else:
            continue
        are_readable = False
    if is_tls and are_readable:
        _check_contents(files, complain)


def _check_contents(files: RedisTls, complain: _Complain) -> None:
    for name, tried in (("CA_FILE", replace(files, cert_file=None)), ("CERT_FILE", replace(files, ca_file=None))):
        try:
            tried.open()
        except OSError as error:
            complain(name, f"is no PEM with what is needed: {error}")


def _is_readable(file: str) -> bool:
    try:
        with open(file, "rb"):
            return True
    except OSError:
        return False
