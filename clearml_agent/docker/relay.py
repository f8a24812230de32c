"""Bring connections from a container to the loopback of the machine that it runs on; the runner's own process for it.

Standard library alone, Python >= 3.6, one file, because a copy of it runs in containers. Its folder has a socket of the
agent for each address that is meant, named by it (`localhost:8008`). The relay listens at these addresses in the
container; for each connection it asks the socket, and gets a connection to the same address in the agent's network: an
open descriptor (SCM_RIGHTS). From then on it copies bytes and needs the agent no more, which may end and start again.
Connections made while there is no agent wait for one, not long: then they are reset, and clients try again.
"""

import errno
import functools
import os
import resource
import select
import socket
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Tuple

PIECE_BYTES = 256 * 1024
HOLD_S = 10.0  # how long a connection waits for an agent
AGAIN_S = 0.2  # between two looks for an agent that is gone, or for an address that another relay has
ACCEPTED_AT_ONCE = 64
GRANTED = b"+"  # with a descriptor; anything else means that the address cannot be reached
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class End:
    """One of a connection's two sockets. pending: bytes to be sent there; is_over: nothing more comes from it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = self
        self.pending = b""
        self.is_over = False
        self.mask = 0


class Relay:
    """All connections of one container."""

    def __init__(self, names: "List[str]") -> None:
        self.poll = select.epoll()
        self.handlers: "Dict[int, Callable[[int], None]]" = {}
        self.missing = [(name, address) for name in names for address in addresses(name)]
        self.listeners: "List[socket.socket]" = []
        self.held: "List[Tuple[socket.socket, str, float]]" = []
        self.is_full = False
        self.again_at = 0.0
        self.buffer = memoryview(bytearray(PIECE_BYTES))

    def listen(self) -> None:
        """Listen where nobody does; an address that is in use is tried again: its relay may end before this one."""
        missing = []
        for name, (family, host, port) in self.missing:
            sock = None
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((host, port))
                sock.listen(4096)
            except OSError as error:
                if sock is not None:
                    sock.close()
                if error.errno == errno.EADDRINUSE:
                    missing.append((name, (family, host, port)))
                elif family != socket.AF_INET6:  # a container without IPv6 lacks nothing
                    sys.stderr.write("WARNING: {} cannot be reached from this container: {}\n".format(name, error))
                    sys.stderr.flush()
                continue
            sock.setblocking(False)
            self.listeners.append(sock)
            self.handlers[sock.fileno()] = functools.partial(self.on_client, sock, name)
            self.poll.register(sock.fileno(), select.EPOLLIN)
        self.missing = missing

    def run(self) -> None:
        while True:
            waits = bool(self.held or self.missing or self.is_full)
            for fd, events in self.poll.poll(AGAIN_S if waits else -1):
                handler = self.handlers.get(fd)
                if handler is not None:  # a late event of a number that means another socket now does no harm
                    handler(events)
            if waits and time.monotonic() >= self.again_at:
                self.again_at = time.monotonic() + AGAIN_S
                self.try_again()

    def try_again(self) -> None:
        """What could not be done before."""
        held, self.held = self.held, []
        for client, name, deadline in held:
            self.ask(client, name, deadline)
        if self.is_full:
            self.is_full = False
            for sock in self.listeners:
                self.poll.modify(sock.fileno(), select.EPOLLIN)
        self.listen()

    # ------------------------------------------------------------------------------------------- connections

    def on_client(self, listener: socket.socket, name: str, _events: int) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self.is_full = True
                    for sock in self.listeners:
                        self.poll.modify(sock.fileno(), 0)
                    return
                continue  # the client has gone already
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ask(client, name, time.monotonic() + HOLD_S)

    def ask(self, client: socket.socket, name: str, deadline: float) -> None:
        """Ask the agent for a connection, now or, where there is no agent, a little later."""
        agent = None
        try:
            agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            agent.setblocking(False)
            agent.connect(name)  # in the working directory: the path of a socket has to be short
        except OSError:
            if agent is not None:
                agent.close()
            self.hold(client, name, deadline)
            return
        self.handlers[agent.fileno()] = functools.partial(self.on_answer, agent, client, name, deadline)
        self.poll.register(agent.fileno(), select.EPOLLIN)

    def hold(self, client: socket.socket, name: str, deadline: float) -> None:
        if time.monotonic() < deadline:
            self.held.append((client, name, deadline))
        else:
            reset(client)

    def on_answer(self, agent: socket.socket, client: socket.socket, name: str, deadline: float, _events: int) -> None:
        try:
            said, found, _flags, _address = agent.recvmsg(1, socket.CMSG_SPACE(4))
        except BlockingIOError:
            return
        except OSError:
            said, found = b"", []
        self.handlers.pop(agent.fileno())
        agent.close()
        fds = [struct.unpack("i", data[:4])[0] for _level, _type, data in found if len(data) >= 4]
        if said == GRANTED and fds:
            remote = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fds[0])
            remote.setblocking(False)
            self.join(End(client), End(remote))
        elif said:
            reset(client)
        else:  # the agent has ended
            self.hold(client, name, deadline)

    # ------------------------------------------------------------------------------------------------- bytes

    def join(self, one: End, other: End) -> None:
        one.peer, other.peer = other, one
        for end in (one, other):
            self.handlers[end.fd] = functools.partial(self.on_end, end)
            self.watch(end)

    def watch(self, end: End) -> None:
        """Wait for what this end can do next; one that can do nothing is not asked, or its hang-up would wake us."""
        reads = 0 if end.is_over or end.peer.pending else select.EPOLLIN
        mask = reads | (select.EPOLLOUT if end.pending else 0)
        if mask == end.mask:
            return
        if not mask:
            self.poll.unregister(end.fd)
        elif not end.mask:
            self.poll.register(end.fd, mask)
        else:
            self.poll.modify(end.fd, mask)
        end.mask = mask

    def on_end(self, end: End, _events: int) -> None:
        try:
            if end.pending:
                self.push(end)
            if not end.is_over and not end.peer.pending:
                self.pull(end)
        except OSError:
            self.drop(end)
            return
        if end.is_over and end.peer.is_over and not end.pending and not end.peer.pending:
            self.drop(end, is_clean=True)
            return
        self.watch(end)
        self.watch(end.peer)

    def pull(self, end: End) -> None:
        """Pass on what has come from this end."""
        peer = end.peer
        try:
            size = end.sock.recv_into(self.buffer)
        except BlockingIOError:
            return
        if not size:
            end.is_over = True
            peer.sock.shutdown(socket.SHUT_WR)
            return
        try:
            sent = peer.sock.send(self.buffer[:size])
        except BlockingIOError:
            sent = 0
        if sent < size:
            peer.pending = bytes(self.buffer[sent:size])

    def push(self, end: End) -> None:
        """Send what waits for this end."""
        try:
            end.pending = end.pending[end.sock.send(end.pending) :]
        except BlockingIOError:
            return
        if not end.pending and end.peer.is_over:
            end.sock.shutdown(socket.SHUT_WR)

    def drop(self, end: End, is_clean: bool = False) -> None:
        for one in (end, end.peer):
            self.handlers.pop(one.fd, None)
            if one.mask:
                self.poll.unregister(one.fd)
            if is_clean:
                one.sock.close()
            else:
                reset(one.sock)


def addresses(name: str) -> "List[Tuple[int, str, int]]":
    """Family, address and port of `localhost:8008`, `127.0.0.1:8008`, `::1:8008`."""
    host, _, port = name.rpartition(":")
    hosts = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    return [(socket.AF_INET6 if ":" in one else socket.AF_INET, one, int(port)) for one in hosts]


def reset(sock: socket.socket) -> None:
    """Close so that the other side sees a failure, and not the end of an answer."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # it is gone already
    sock.close()


def serve(folder: str, on_ready: "Optional[Callable[[], None]]" = None) -> None:
    """Relay until this process is killed; `on_ready` is called when it listens."""
    os.chdir(folder)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    relay = Relay(sorted(os.listdir(".")))
    relay.listen()
    for name, _address in relay.missing:
        sys.stderr.write("WARNING: {} is in use in this container's network: whoever has it answers\n".format(name))
    sys.stderr.flush()
    if on_ready is not None:
        on_ready()
    relay.run()
