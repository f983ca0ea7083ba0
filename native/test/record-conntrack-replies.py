#!/usr/bin/env python3
"""Records what ctnetlink answers, for conntrack_replies.h. It speaks raw netlink itself, so that
the recording owes nothing to the code under test:

  unshare --net native/test/record-conntrack-replies.py >native/test/conntrack_replies.h

The flows it makes are what conntrack_decode_test.cc expects to read. Only in a network namespace
of its own: it changes addresses, rules and the whole
table. Takes root, nft and conntrack.
"""
import os
import socket
import struct
import subprocess
import sys
import time

NLM_REQUEST, NLM_ACK, NLM_DUMP, NLM_EXCL, NLM_CREATE = 1, 4, 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
FLOWS, EXPECTATIONS = 1 << 8, 2 << 8
NEW, GET, DELETE, STATISTICS_BY_PROCESSOR, STATISTICS = 0, 1, 2, 4, 5
V4, V6 = socket.AF_INET, socket.AF_INET6


def run(command):
    subprocess.run(command, shell=True, check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)


def attribute(kind, payload, nested=False):
    kind |= 0x8000 if nested else 0
    return struct.pack("<HH", len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def nest(kind, *parts):
    return attribute(kind, b"".join(parts), nested=True)


def be16(kind, value):
    return attribute(kind, struct.pack(">H", value))


def be32(kind, value):
    return attribute(kind, struct.pack(">I", value))


def tuple_of(kind, source, destination, *, protocol=6, ports=(0, 0), zone=None):
    family = V6 if ":" in source else V4
    first = 3 if family == V6 else 1
    ip = nest(1, attribute(first, socket.inet_pton(family, source)),
              attribute(first + 1, socket.inet_pton(family, destination)))
    l4 = nest(2, attribute(1, bytes([protocol])), be16(2, ports[0]), be16(3, ports[1]))
    return nest(kind, ip, l4, be16(3, zone) if zone is not None else b"")


class Netlink:
    def __init__(self, *groups):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.socket.bind((0, 0))
        for group in groups:
            self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    @staticmethod
    def messages(data):
        """Their port number, which differs each time, becomes 0."""
        while data:
            length, kind = struct.unpack_from("<IH", data)
            yield kind, data[:12] + bytes(4) + data[16 : (length + 3) & ~3]
            data = data[(length + 3) & ~3 :]

    def ask(self, kind, body=b"", flags=NLM_DUMP, family=0):
        """The messages of the whole answer."""
        message = struct.pack("<IHHII", 20 + len(body), kind, NLM_REQUEST | flags, 1, 0)
        self.socket.sendto(message + struct.pack("<BBH", family, 1, 0) + body, (0, 0))
        answer = []
        while True:
            for kind, message in self.messages(self.socket.recv(1 << 16)):
                answer.append(message)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return answer

    def tell(self, kind, body, flags=0, family=V4):
        error = struct.unpack_from("<i", self.ask(kind, body, flags | NLM_ACK, family)[-1], 16)[0]
        if error:
            raise OSError(-error, os.strerror(-error))

    def events(self):
        time.sleep(0.2)
        received = []
        while True:
            try:
                data = self.socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return received
            received += [message for _, message in self.messages(data)]


RULES = """
table inet t {
  ct helper ftp { type "ftp" protocol tcp; }
  chain early { type filter hook output priority raw; }
  chain nat { type nat hook output priority -100; ip daddr 192.0.2.80 tcp dport 80 dnat ip to 127.0.0.1:8080; }
  chain post { type nat hook postrouting priority 100; ip daddr 10.9.0.21 snat ip to 10.9.0.1; }
  chain out {
    type filter hook output priority 0;
    ct label set 5 counter comment "labels are kept only where a rule knows them";
    tcp dport 21 ct helper set "ftp"
    ct state new counter
  }
}
"""


def prepare():
    run("ip link set lo up; ip address add 10.9.0.1/32 dev lo; ip address add 10.9.0.21/32 dev lo")
    run("ip route add default dev lo; ip address add 2001:db8::1/128 dev lo")
    run("sysctl -w net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1 "
        "net.netfilter.nf_conntrack_events=1")
    subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)


def connect(source, target, listening):
    listener = socket.create_server(listening, reuse_port=True)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(source)
    client.connect(target)
    peer, _ = listener.accept()
    listener.close()
    return client, peer


def say(client, peer, *lines):
    """Line by line: the helper reads a command only behind the end of a line it has seen."""
    for line in lines:
        client.sendall(line)
        peer.recv(100)
        time.sleep(0.1)


def echo(family, address):
    """One echo request with a number of its own, so that nothing in it changes."""
    kind, protocol = (128, socket.IPPROTO_ICMPV6) if family == V6 else (8, socket.IPPROTO_ICMP)
    packet = bytes([kind, 0]) + struct.pack(">HHH", 0, 0x1234, 1) + b"ping"
    if family == V4:
        total = sum(struct.unpack(">6H", packet))
        packet = packet[:2] + struct.pack(">H", 0xFFFF - (total % 0xFFFF)) + packet[4:]
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.sendto(packet, (address, 0))


class Recorder:
    def __init__(self):
        self.netlink = Netlink()
        self.recorded = []

    def clear(self):
        run("conntrack -F")

    def keep(self, name, messages):
        self.recorded.append((name, messages))

    def flows(self, name):
        self.keep(name, self.netlink.ask(FLOWS | GET))
        self.clear()

    def insert(self, name, command):
        run("conntrack -I " + command)
        self.flows(name)

    def real_traffic(self):
        client, peer = connect(("127.0.0.1", 40001), ("127.0.0.1", 8080), ("127.0.0.1", 8080))
        client.sendall(b"0123456789")
        peer.recv(10)
        self.flows("tcp")
        client.close(), peer.close()
        self.clear()
        client, peer = connect(("127.0.0.1", 40002), ("192.0.2.80", 80), ("127.0.0.1", 8080))
        self.flows("nat_destination")
        client.close(), peer.close()
        self.clear()
        with socket.socket(V4, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 40003))
            sink = socket.socket(V4, socket.SOCK_DGRAM)
            sink.bind(("127.0.0.1", 5300))
            udp.sendto(b"question", ("127.0.0.1", 5300))
            self.flows("udp")
            sink.close()
        echo(V4, "127.0.0.1")
        self.flows("icmp")
        echo(V6, "2001:db8::1")
        self.flows("icmp6")

    def ftp(self):
        client, peer = connect(("10.9.0.1", 40021), ("10.9.0.1", 21), ("10.9.0.1", 21))
        say(client, peer, b"USER anonymous\r\n", b"PORT 10,9,0,1,78,33\r\n")  # 20001
        self.keep("expectation", self.netlink.ask(EXPECTATIONS | GET))
        self.keep("helper", self.netlink.ask(FLOWS | GET))
        data, other = connect(("10.9.0.1", 40020), ("10.9.0.1", 20001), ("10.9.0.1", 20001))
        related = [m for m in self.netlink.ask(FLOWS | GET) if struct.pack(">H", 20001) in m]
        self.keep("master", related)
        for end in (client, peer, data, other):
            end.close()
        self.clear()
        # The client's address is translated, and so is the one it names.
        client, peer = connect(("127.0.0.1", 40022), ("10.9.0.21", 21), ("10.9.0.21", 21))
        say(client, peer, b"USER anonymous\r\n", b"PORT 127,0,0,1,78,34\r\n")
        self.keep("expectation_nat", self.netlink.ask(EXPECTATIONS | GET))
        self.keep("nat_source", self.netlink.ask(FLOWS | GET))
        client.close(), peer.close()
        self.clear()

    def inserted(self):
        self.insert("sctp", "-p sctp -s 192.0.2.1 -d 198.51.100.2 --orig-port-src 5000 --orig-port-dst 5001 "
                    "--state ESTABLISHED --orig-vtag 305419896 --reply-vtag 2596069104 -t 300")
        self.insert("gre", "-p gre -s 192.0.2.1 -d 198.51.100.2 --srckey 0x1111 --dstkey 0x2222 -t 60")
        self.insert("six", "-p udp -s 2001:db8::1 -d 2001:db8::2 --sport 5353 --dport 53 -t 90 -m 4294967294")
        self.insert("zone", "-p udp -s 192.0.2.1 -d 198.51.100.2 --sport 1 --dport 2 -t 60 -w 5")
        self.insert("zone_of_direction", "-p udp -s 192.0.2.1 -d 198.51.100.2 --sport 1 --dport 2 -t 60 --orig-zone 7")

    def rare(self):
        """What only ctnetlink itself sets in full."""
        master = dict(ports=(1000, 21))
        self.netlink.tell(FLOWS | NEW, tuple_of(1, "192.0.2.9", "198.51.100.9", **master)
                          + tuple_of(2, "198.51.100.9", "192.0.2.9", ports=(21, 1000))
                          + be32(7, 3600), NLM_CREATE | NLM_EXCL)
        self.netlink.tell(FLOWS | NEW, tuple_of(1, "192.0.2.1", "198.51.100.2", ports=(40000, 21))
                          + tuple_of(2, "198.51.100.2", "192.0.2.1", ports=(21, 40000))
                          + be32(7, 432000) + be32(3, 0x0E) + be32(8, 0x00C0FFEE)
                          + nest(4, nest(1, attribute(1, b"\x03"), attribute(2, b"\x07"), attribute(3, b"\x08"),
                                         attribute(4, b"\x0a\xff"), attribute(5, b"\x02\xff")))
                          + nest(5, attribute(1, b"ftp\0"))
                          + tuple_of(14, "192.0.2.9", "198.51.100.9", **master)
                          + nest(15, be32(1, 100), be32(2, 3), be32(3, 0xFFFFFFFE))
                          + nest(16, be32(1, 200), be32(2, 5), be32(3, 6))
                          + nest(24, be32(1, 0x01020304), be32(2, 7), be32(3, 0x80000001))
                          + attribute(22, bytes(range(1, 17))), NLM_CREATE | NLM_EXCL)
        rare = [m for m in self.netlink.ask(FLOWS | GET) if struct.pack(">H", 40000) in m]
        self.keep("rare", rare)
        self.clear()

    def events(self):
        run("sleep 0.3")
        listener = Netlink(1, 2, 3)
        run("conntrack -I -p tcp -s 192.0.2.1 -d 198.51.100.2 --sport 1 --dport 2 --state SYN_SENT -t 60 -m 1")
        run("conntrack -U -p tcp -s 192.0.2.1 -d 198.51.100.2 --sport 1 --dport 2 -m 2")
        run("conntrack -D -p tcp -s 192.0.2.1 -d 198.51.100.2 --sport 1 --dport 2")
        self.keep("events", listener.events())

    def statistics(self):
        # Only numbers that the kernel counts; what they are is of no matter, but they are to differ from 0.
        for _ in range(3):
            echo(V4, "127.0.0.1")
        self.keep("processors", self.netlink.ask(FLOWS | STATISTICS_BY_PROCESSOR))
        self.keep("totals", self.netlink.ask(FLOWS | STATISTICS, flags=NLM_ACK))
        self.keep("expectation_statistics", self.netlink.ask(EXPECTATIONS | 3))
        missing = tuple_of(1, "203.0.113.1", "203.0.113.2", protocol=17, ports=(1, 1))
        self.keep("no_such_flow", self.netlink.ask(FLOWS | GET, missing, NLM_ACK, V4))


def camel(name):
    return "k" + "".join(part.capitalize() for part in name.split("_"))


def emit(name, messages):
    text = b"".join(messages).hex()
    lines = [text[i : i + 108] for i in range(0, len(text), 108)]
    print(f"inline constexpr const char* {camel(name)} =")
    print("\n".join(f'    "{line}"' for line in lines) + ";\n")


def main():
    prepare()
    recorder = Recorder()
    recorder.real_traffic()
    recorder.ftp()
    recorder.inserted()
    recorder.rare()
    recorder.events()
    recorder.statistics()
    print("// Made by record-conntrack-replies.py: whole answers of a real kernel, as hex.\n#pragma once\n")
    print("#include <array>\n#include <utility>\n\nnamespace conntrack_replies {\n")
    print(f'inline constexpr const char* kRelease = "{os.uname().release}";\n')
    for name, messages in recorder.recorded:
        if not messages:
            raise SystemExit("nothing recorded: " + name)
        emit(name, messages)
    print(f"inline constexpr std::array<std::pair<const char*, const char*>, {len(recorder.recorded)}> kAll{{{{")
    for name, _ in recorder.recorded:
        print(f'    {{"{name}", {camel(name)}}},')
    print("}};\n\n}  // namespace conntrack_replies")


main()
