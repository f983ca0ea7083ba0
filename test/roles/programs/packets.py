# Serves, connects, probes and listens in any network namespace: one process for a whole lab, since
# a socket stays in the namespace it was made in. Says READY, and answers a line for each line.
import ctypes
import fcntl
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
OTHERHOST, OUTGOING = 3, 4


def enter(namespace):
    """For the calling thread."""
    file = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(file, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(file)


class Server(threading.Thread):
    """Says its name and the client's address, and takes what is sent."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()

    def listen(self, name, port):
        listener = socket.create_server(("0.0.0.0", port), backlog=64)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, name)

    def run(self):
        while True:
            for key, _ in self.selector.select(0.05):
                if key.data is None:
                    try:
                        if key.fileobj.recv(1 << 16):
                            continue
                    except OSError:
                        pass
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                client, (address, _) = key.fileobj.accept()
                client.sendall(f"{key.data} {address}".encode())
                self.selector.register(client, selectors.EVENT_READ, None)


def raw(interface, protocol):
    # An interface may be gone again by now.
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    listener.bind((interface, protocol))
    listener.settimeout(0.05)
    return listener


def mac(text):
    return ":".join(f"{byte:02x}" for byte in text)


class Capture(threading.Thread):
    """What comes to an interface, or leaves it; not what is for others."""

    def __init__(self, interface):
        super().__init__(daemon=True)
        self.socket = raw(interface, 3)  # ETH_P_ALL
        self.frames = []
        self.stopped = False

    def run(self):
        last = time.monotonic()
        # What is under way when it is stopped is still heard.
        while not self.stopped or time.monotonic() - last < 0.1:
            try:
                data, (_, protocol, kind, *_) = self.socket.recvfrom(1 << 16)
            except TimeoutError:
                continue
            last = time.monotonic()
            found = decode(data[14:]) if protocol == ETH_P_IP else arp(data[14:]) if protocol == ETH_P_ARP else None
            if found and kind != OTHERHOST:
                self.frames.append({**found, "out": kind == OUTGOING})
        self.socket.close()


def arp(data):
    operation = struct.unpack("!H", data[6:8])[0]
    sender, target = socket.inet_ntoa(data[14:18]), socket.inet_ntoa(data[24:28])
    return {"type": "arp", "operation": operation, "mac": mac(data[8:14]), "from": sender, "to": target}


def decode(data):
    protocol, start = data[9], (data[0] & 15) * 4
    found = {"from": socket.inet_ntoa(data[12:16]), "to": socket.inet_ntoa(data[16:20])}
    rest = data[start:]
    if protocol == 4:
        return {**found, "type": "ipip", "inner": decode(rest)}
    if protocol == 47:
        return {**found, "type": "gre", "inner": decode(rest[4:])}
    if protocol == 17:
        port = struct.unpack("!H", rest[2:4])[0]
        if port == 4789:
            vni, ether = int.from_bytes(rest[12:15], "big"), rest[16:30]
            inner = decode(rest[30:]) if ether[12:] == b"\x08\x00" else None
            length = struct.unpack("!H", data[2:4])[0]
            around = {"type": "vxlan", "port": port, "vni": vni, "length": length, "mac": mac(ether[:6])}
            return {**found, **around, "inner": inner}
        gue = {"inner": decode(rest[12 + (rest[8] & 31) * 4 :])} if port == 6080 else {}
        return {**found, "type": "gue" if gue else "udp", "port": port, **gue}
    if protocol != 6:
        return {**found, "type": str(protocol)}
    source, port = struct.unpack("!HH", rest[:4])
    found = {**found, "type": "tcp", "source": source, "port": port}
    options, end = rest[20:], (rest[12] >> 4) * 4 - 20
    while end > 0 and options[0] != 0:
        length = 1 if options[0] == 1 else options[1]
        if options[0] == 2:
            found["mss"] = struct.unpack("!H", options[2:4])[0]
        options, end = options[length:], end - length
    return found


class Prober(threading.Thread):
    """Asks again and again who has an address, as one who has none himself."""

    def __init__(self, interface, address):
        super().__init__(daemon=True)
        self.socket = raw(interface, ETH_P_ARP)
        self.address = socket.inet_aton(address)
        self.mac = self.socket.getsockname()[4]
        self.asked = 0
        self.answers = []
        self.stopped = False

    def ask(self):
        self.asked += 1
        head = b"\xff" * 6 + self.mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, ETH_P_IP, 6, 4, 1)
        self.socket.send(head + self.mac + bytes(4) + bytes(6) + self.address)

    def hear(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data, (_, _, kind, *_) = self.socket.recvfrom(1 << 16)
            except TimeoutError:
                continue
            found = arp(data[14:])
            if found["operation"] == 2 and data[28:32] == self.address and kind != OUTGOING:
                self.answers.append(found["mac"])

    def run(self):
        while not self.stopped:
            self.ask()
            self.hear(0.01)
        self.hear(0.3)
        self.socket.close()


server = Server()
running = []


def start(thread):
    thread.start()
    running.append(thread)
    return len(running) - 1


def stop(number):
    thread = running[number]
    thread.stopped = True
    thread.join()
    return thread


def meet(address, port, count, send=0):
    said = []
    for _ in range(count):
        with socket.create_connection((address, port), 20) as connection:
            said.append(connection.recv(100).decode())
            if send:
                connection.sendall(bytes(send))
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)  # the server closes once it has all
    return said


def answer(question):
    do = question.pop("do")
    if "namespace" in question:
        enter(question.pop("namespace"))
    if do == "serve":
        for port in question["ports"]:
            server.listen(question["name"], port)
        return None
    if do == "meet":
        return meet(**question)
    if do == "send":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((question["source"], 0))
            sender.sendto(b"?", (question["address"], 9))
        time.sleep(0.3)  # until its destination is found
        return None
    if do == "mac":
        with socket.socket() as any_socket:
            request = struct.pack("256s", question["interface"].encode())
            return mac(fcntl.ioctl(any_socket, 0x8927, request)[18:24])
    if do == "probe":
        prober = Prober(**question)
        prober.ask()
        prober.hear(0.6)
        return sorted(prober.answers)
    if do == "keep probing":
        return start(Prober(**question))
    if do == "probed":
        prober = stop(question["number"])
        return {"asked": prober.asked, "answers": len(prober.answers), "by": sorted(set(prober.answers))}
    if do == "capture":
        return start(Capture(**question))
    if do == "captured":
        return stop(question["number"]).frames
    raise ValueError(f"what is {do}?")


server.start()
print("READY", flush=True)
for line in sys.stdin:
    number, question = json.loads(line)
    try:
        reply = [number, None, answer(question)]
    except Exception as error:
        reply = [number, f"{type(error).__name__}: {error}"]
    print(json.dumps(reply), flush=True)
