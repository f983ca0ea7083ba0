# Serves, keeps connections, and sends datagrams in any network namespace: one process for a whole
# lab, since a socket stays in the namespace it was made in. Says READY, and answers a line for each line.
import ctypes
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """For the calling thread."""
    file = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(file, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(file)


class Server(threading.Thread):
    """Says its name to who connects or sends, and again whenever it is asked anything."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()

    def listen(self, name, port):
        tcp = socket.create_server(("0.0.0.0", port), backlog=64)
        self.selector.register(tcp, selectors.EVENT_READ, (name, self.accept))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", port))
        self.selector.register(udp, selectors.EVENT_READ, (name, self.reply))

    def accept(self, listener, name):
        client, _ = listener.accept()
        client.sendall(name.encode())
        self.selector.register(client, selectors.EVENT_READ, (name, self.echo))

    def echo(self, client, name):
        if client.recv(100):
            return client.sendall(name.encode())
        self.forget(client)

    def reply(self, listener, name):
        data, sender = listener.recvfrom(100)
        listener.sendto(data + b" " + name.encode(), sender)

    def forget(self, client):
        self.selector.unregister(client)
        client.close()

    def run(self):
        while True:
            for key, _ in self.selector.select(0.05):
                name, handle = key.data
                try:
                    handle(key.fileobj, name)
                except OSError:
                    if handle == self.echo:
                        self.forget(key.fileobj)


class Sender(threading.Thread):
    """Sends numbered datagrams from one port, and notes which are answered, when, and by whom."""

    def __init__(self, address, port, interval):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.005)
        self.target = (address, port)
        self.interval = interval
        self.sent = []
        self.on = True

    def run(self):
        while self.on:
            self.send()
            end = time.time() + self.interval
            while time.time() < end:
                self.hear()

    def send(self):
        self.sent.append({"sent": time.time() * 1000})
        try:
            self.socket.sendto(str(len(self.sent) - 1).encode(), self.target)
        except OSError:
            pass  # nobody is there

    def hear(self):
        try:
            number, name = self.socket.recv(100).decode().split()
            self.sent[int(number)] |= {"name": name, "answered": time.time() * 1000}
        except OSError:
            pass


server = Server()
server.start()
held = {}
senders = {}


def connect(address, port, patience=20):
    connection = socket.create_connection((address, port), timeout=patience)
    return connection, connection.recv(100).decode()


def reset(connection):
    """Without the minutes that an orderly end is remembered for."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def meet(address, port):
    try:
        connection, name = connect(address, port)
    except OSError as error:
        return type(error).__name__
    reset(connection)
    return name


def ask(name, patience):
    connection = held[name]
    connection.settimeout(patience)
    try:
        connection.sendall(b"?")
        return connection.recv(100).decode()
    except OSError as error:
        return type(error).__name__


def reply(question):
    enter(question["namespace"])
    match question["do"]:
        case "serve":
            return server.listen(question["name"], question["port"])
        case "meet":
            return [meet(question["address"], question["port"]) for _ in range(question["count"])]
        case "hold":
            held[question["name"]], name = connect(question["address"], question["port"])
            return name
        case "ask":
            return ask(question["name"], question["patience"])
        case "reset":
            return reset(held.pop(question["name"]))
        case "send":
            sender = Sender(question["address"], question["port"], question["interval"] / 1000)
            senders[question["name"]] = sender
            return sender.start()
        case "sent":
            return senders[question["name"]].sent
        case "stop":
            senders[question["name"]].on = False


print("READY", flush=True)
for line in sys.stdin:
    number, question = json.loads(line)
    try:
        print(json.dumps([number, None, reply(question)]), flush=True)
    except Exception as error:
        print(json.dumps([number, repr(error)]), flush=True)
