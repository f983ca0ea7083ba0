# Serves and asks, by TCP and UDP, in any network namespace: one process for a whole lab, since a
# socket stays in the namespace it was made in. Says READY, and answers a line for each line.
import ctypes
import json
import os
import selectors
import socket
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """For the calling thread."""
    file = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(file, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(file)


def segment(connection):
    """The largest segment that may be sent, as the other end told it."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


def answer(listener, name):
    if listener.type == socket.SOCK_DGRAM:
        _, client = listener.recvfrom(100)
        listener.sendto(f"{name} {plain(client)}".encode(), client)
        return
    connection, client = listener.accept()
    with connection:
        connection.sendall(f"{name} {plain(client)} {segment(connection)}".encode())


def plain(client):
    return client[0].removeprefix("::ffff:")


class Server(threading.Thread):
    """Says its name, and the client's address as it sees it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()

    def listen(self, name, port):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            listener = socket.socket(socket.AF_INET6, kind)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            self.selector.register(listener, selectors.EVENT_READ, name)

    def run(self):
        while True:
            for key, _ in self.selector.select(0.05):
                try:
                    answer(key.fileobj, key.data)
                except OSError:
                    pass  # it has no way to the client



def ask(protocol, address, port, patience):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as connection:
        connection.settimeout(patience)
        try:
            connection.connect((address, port))
            if protocol == "udp":
                connection.send(b"?")
            name, seen, *told = connection.recv(100).decode().split()
        except OSError as error:
            return {"name": "nobody", "seen": type(error).__name__}
        here = {"segments": [segment(connection), int(told[0])]} if told else {}
        return {"name": name, "seen": seen, **here}


server = Server()
server.start()


def reply(question):
    enter(question["namespace"])
    if question["do"] == "serve":
        return server.listen(question["name"], question["port"])
    asked = [question[part] for part in ("protocol", "address", "port", "patience")]
    return [ask(*asked) for _ in range(question["count"])]


print("READY", flush=True)
for line in sys.stdin:
    number, question = json.loads(line)
    try:
        print(json.dumps([number, None, reply(question)]), flush=True)
    except Exception as error:
        print(json.dumps([number, repr(error)]), flush=True)
