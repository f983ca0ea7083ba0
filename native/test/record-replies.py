#!/usr/bin/env python3
"""Records what a kernel answers, for replies_KERNEL.h. It speaks raw netlink itself, so that the
recording owes nothing to the code under test:

  scripts/with-ipvs --kernel 6.1 -- native/test/record-replies.py 6.1 >native/test/replies_6_1.h
  scripts/with-ipvs --kernel latest -- native/test/record-replies.py latest >native/test/replies_latest.h

The table it makes (with ipvsadm) is what decode_test.cc expects to read. To be run in a throwaway
virtual machine only: it changes addresses and the whole IPVS table.
"""
import os
import socket
import struct
import subprocess
import sys
import threading
import time

NLM_REQUEST, NLM_ACK, NLM_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11


def run(command):
    subprocess.run(command, shell=True, check=True, stdout=sys.stderr)


def attribute(kind, payload):
    return struct.pack("<HH", len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def service_key(*, mark=None, family=socket.AF_INET, protocol=6, address="", port=0):
    key = attribute(1, struct.pack("<H", family))
    if mark is not None:
        key += attribute(5, struct.pack("<I", mark))
    else:
        key += attribute(2, struct.pack("<H", protocol))
        key += attribute(3, socket.inet_pton(family, address))
        key += attribute(4, struct.pack(">H", port))
    return attribute(1, key)


class Netlink:
    def __init__(self, cap_ack=True):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, int(cap_ack))
        self.socket.bind((0, 0))
        self.port = self.socket.getsockname()[0]

    def ask(self, family, command, body, flags):
        """The messages of the whole answer. Their port number, which differs each time, becomes 0."""
        message = struct.pack("<IHHII", 20 + len(body), family, NLM_REQUEST | flags, 1, 0)
        self.socket.sendto(message + struct.pack("<BBH", command, 1, 0) + body, (0, 0))
        answer = []
        while True:
            data = self.socket.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("<IH", data)
                answer.append(data[:12] + bytes(4) + data[16 : (length + 3) & ~3])
                data = data[(length + 3) & ~3 :]
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return answer


def make_table():
    run("ip link set lo up multicast on")
    run("ip address add 10.0.0.60/32 dev lo; ip address add 10.0.0.61/32 dev lo")
    run("ip link add dum0 type dummy; ip link set dum0 up multicast on; ip address add 10.9.0.1/24 dev dum0")
    run("ip address add 2001:db8:9::1/64 dev dum0 nodad; ip route add default via 10.9.0.2")
    run("ip -6 route add default via 2001:db8:9::2 dev dum0")
    for command in """
        -A -t 10.0.0.80:443 -s wrr -p 360 -M 255.255.255.0
        -a -t 10.0.0.80:443 -r 192.168.1.1:8443 -m -w 3 -x 100 -y 50
        -a -t 10.0.0.80:443 -r 192.168.1.2:443 -i -w 0
        -a -t 10.0.0.80:443 -r 192.168.1.3:443 -i -w 65535 --tun-type gue --tun-port 6080 --tun-remcsum
        -a -t 10.0.0.80:443 -r 192.168.1.4:443 -i --tun-type gre --tun-csum
        -a -t 10.0.0.80:443 -r [2001:db8::4]:443 -i
        -A -u 10.0.0.60:5060 -s rr -p 60 --pe sip
        -a -u 10.0.0.60:5060 -r 10.0.0.61:5060 -m
        -A -u 10.0.0.53:53 -s rr -o
        -A --sctp-service 10.0.0.90:9 -s nq
        -A -t [2001:db8::80]:80 -s sh -b sh-fallback,sh-port
        -a -t [2001:db8::80]:80 -r [2001:db8::1]:80 -g -w 2
        -A -f 80 -s lc
        -a -f 80 -r 192.168.1.101:0 -g
        -A -f 4294967295 -6 -s mh -p 120 -M 64 -b mh-fallback
        -a -f 4294967295 -6 -r [2001:db8::2]:0 -i
        -A -t 127.0.0.1:8000 -s rr
        -a -t 127.0.0.1:8000 -r 127.0.0.1:8080 -m
        -A -t [::1]:8000 -s rr
        -a -t [::1]:8000 -r [::1]:8080 -m
        --set 901 121 301
    """.strip().splitlines():
        run("ipvsadm " + command.strip())


def make_traffic():
    listener = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve():
        while True:
            peer, _ = listener.accept()
            peer.sendall(b"x" * 1000)
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    for address in ["127.0.0.1"] * 3 + ["::1"]:
        with socket.create_connection((address, 8000)) as client:
            while client.recv(4096):
                pass
    sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sip.sendto(b"INVITE sip:a@b.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nCall-ID: abc123@10.0.0.1\r\n\r\n", ("10.0.0.60", 5060))
    time.sleep(5)  # counters are sampled every 2 s


def emit(name, messages):
    text = b"".join(messages).hex()
    lines = [text[i : i + 108] for i in range(0, len(text), 108)]
    print(f"    .{name} =\n" + "\n".join(f'        "{line}"' for line in lines) + ",")


def main():
    make_table()
    make_traffic()
    netlink, uncapped = Netlink(), Netlink(cap_ack=False)
    getfamily = attribute(2, b"IPVS\0")
    resolved = netlink.ask(16, 3, getfamily, NLM_ACK)
    ipvs = next(
        struct.unpack_from("<H", resolved[0], i + 4)[0]
        for i in range(20, len(resolved[0]), 4)
        if resolved[0][i : i + 4] == b"\x06\x00\x01\x00"
    )
    release = os.uname().release
    version = sys.argv[1].replace(".", "_")
    print("// Made by record-replies.py.\n#pragma once\n\nnamespace replies {\n")
    print(f"inline constexpr Recording kLinux_{version}{{")
    print(f'    .release = "{release}",\n    .family = {ipvs},')
    emit("get_family", resolved)
    emit("services", netlink.ask(ipvs, 4, b"", NLM_DUMP))
    web = dict(address="10.0.0.80", port=443)
    emit("service", netlink.ask(ipvs, 4, service_key(**web), NLM_ACK))
    for name, key in [
        ("servers_mixed", web),
        ("servers_six", dict(family=10, address="2001:db8::80", port=80)),
        ("servers_mark", dict(mark=80)),
        ("servers_traffic", dict(address="127.0.0.1", port=8000)),
        ("servers_missing", dict(mark=404)),
    ]:
        emit(name, netlink.ask(ipvs, 8, service_key(**key), NLM_DUMP))
    emit("info", netlink.ask(ipvs, 15, b"", NLM_ACK))
    emit("config", netlink.ask(ipvs, 13, b"", NLM_ACK))
    # No daemon starts while a server is of another family than its service.
    run("ipvsadm -d -t 10.0.0.80:443 -r [2001:db8::4]:443")
    run("ipvsadm --start-daemon master --mcast-interface dum0 --syncid 7 --sync-maxlen 1400 "
        "--mcast-group 224.0.0.82 --mcast-port 8850 --mcast-ttl 3")
    run("ipvsadm --start-daemon backup --mcast-interface dum0 --syncid 8 --mcast-group ff02::82")
    emit("daemons", netlink.ask(ipvs, 11, b"", NLM_DUMP))
    missing = service_key(mark=404)
    emit("no_such_service", netlink.ask(ipvs, 3, missing, NLM_ACK))
    emit("no_such_service_uncapped", uncapped.ask(ipvs, 3, missing, NLM_ACK))
    short = attribute(4, b"\1\0")  # TIMEOUT_TCP of two bytes
    emit("bad_attribute", netlink.ask(ipvs, 12, short, NLM_ACK))
    emit("bad_attribute_uncapped", uncapped.ask(ipvs, 12, short, NLM_ACK))
    emit("no_such_family", netlink.ask(16, 3, attribute(2, b"NOSUCH\0"), NLM_ACK))
    print("};\n\n}  // namespace replies")


main()
