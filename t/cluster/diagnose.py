# SPDX-License-Identifier: BSD-2-Clause
"""
diagnose - vodbalance --diagnose: all is right with a cluster as the set-up
scripts make it; then one thing after the other is broken, and it names that one
and nothing else; what it cannot see for it, or for want of rights, it says.
Part of setup.py.
"""

import contextlib
import json
import socket
import subprocess
import threading

import cluster
from cluster import (
    BUILD, DIRECTORS, FOLDER, LOAD_PORT, NODES, RTP_PORTS, RTSP_PORT, VIP,
    check, ip_batch, run, say, shown)

SERVICE = "tcp:%s:%d" % (VIP, RTSP_PORT)
WHERE = {name: "%s:%d" % (address, RTSP_PORT)
         for name, address in NODES.items()}
CONF = FOLDER + "/diagnose.conf"
TITLE = 'diagnose_title = "sample.wmv";\n'
# of one node; a director has more
OF_NODE = ["forwarding", "segment", "agent", "capacity", "server", "vip",
           "arp", "announce", "mark", "media", "viewers"]
OF_ALL = len(OF_NODE) * len(NODES) + 5 + 2


def diagnose(*node, place="d1", before=(), conf=CONF, options=()):
    """Its exit status, and its findings by where and check."""
    with cluster.inside(place):
        done = subprocess.run(
            (*before, BUILD + "/vodbalance", "-c", conf, "--json", *options,
             "--diagnose", *node),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    found = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        key = one["where"], one["check"]
        check(key not in found, "two findings of %s %s" % key)
        found[key] = one
    return done.returncode, found


def those(found, state):
    return {key for key, one in found.items() if one["state"] == state}


def told(found):
    return "\n".join("    %(state)s %(where)s %(check)s: %(text)s" % one
                     for one in found.values() if one["state"] != "ok")


def names(what, wrong, unseen=(), text="", **options):
    """It names WRONG (where, check), or nothing, and does not see UNSEEN.
    Agents look at their nodes every second, so it may take a moment."""
    wrong, last = {wrong} if wrong else set(), {}

    def does():
        status, found = diagnose(**options)
        last.update(found=found)
        return (those(found, "wrong") == wrong and
                those(found, "not checked") == set(unseen) and
                status == (1 if wrong else 0) and
                all(text in found[one]["text"] and found[one]["remedy"]
                    for one in wrong) and found)
    try:
        found = cluster.within(4, what, does)
    except cluster.Failed:
        say("it says of %s:\n%s" % (what, told(last["found"])))
        raise
    shown(True, "%s: %s" % (what, "; ".join(
        "%(where)s %(check)s: %(text)s" % found[one] for one in wrong) or
        "nothing is wrong"))
    return found


def of(name, *checks):
    return {(WHERE[name], one) for one in checks}


@contextlib.contextmanager
def broken(place, breaks, heals):
    """Commands on a machine."""
    run(*breaks.split(), place=place)
    yield
    run(*heals.split(), place=place)


@contextlib.contextmanager
def says(node, text):
    """In the place of NODE's agent somebody says TEXT; None: nothing ever."""
    node.agent.kill()
    with cluster.inside(node.name):
        listener = socket.create_server(("", LOAD_PORT))
    held = []

    def serve():
        while True:
            try:
                link = listener.accept()[0]
            except OSError:
                return
            held.append(link)
            if text is not None:
                link.sendall(text)
                link.close()
    threading.Thread(target=serve, daemon=True).start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for link in held:
        link.close()
    node.start_agent()


# --- what is broken -----------------------------------------------------------

ARP = "sysctl -q -w net.ipv4.conf.all.arp_%s=%d"
RP_FILTER = "sysctl -q -w net.ipv4.conf.all.rp_filter=%d"
VIEWERS = 9
UDP_RULE = "iptables-legacy -t mangle -%s VODD-" + VIP + " %s"


def viewers_of_another_interface():
    """n2 answers viewers by a second link, and may be strict about it."""
    ip_batch(["link add eth1 netns n2 type veth peer name q-n2",
              "link set q-n2 master br0 up"], cluster.SEGMENT)
    ip_batch(["addr add 10.64.0.22/32 dev eth1", "link set eth1 up",
              "route add 10.64.1.0/24 dev eth1"], "n2")
    run(*(RP_FILTER % 1).split(), place="n2")
    with contextlib.ExitStack() as links, cluster.inside("clients"):
        every = [links.enter_context(socket.socket())
                 for _ in range(VIEWERS)]
        for at, link in enumerate(every):
            link.setblocking(False)
            link.bind((cluster.CLIENTS[at], 0))
            link.connect_ex((VIP, RTSP_PORT))
        names("n2 is strict about where viewers are", (WHERE["n2"], "viewers"),
              text="none of")
        run(*(RP_FILTER % 2).split(), place="n2")
        cluster.within(10, "all are connected", lambda: all(
            connected(link) for link in every))
        names("n2 is not so strict", None)
    run(*(RP_FILTER % 0).split(), place="n2")
    run("ip", "link", "del", "eth1", place="n2")


def connected(link):
    try:
        return link.getpeername()
    except OSError:
        return None


def nodes(lab):
    with broken("n2", ARP % ("ignore", 0), ARP % ("ignore", 1)):
        names("n2 answers ARP", (WHERE["n2"], "arp"), text="answers ARP")
    with broken("n1", ARP % ("announce", 0), ARP % ("announce", 2)):
        names("n1 announces the address", (WHERE["n1"], "announce"))
    with broken("n3", "ip addr del %s/32 dev lo" % VIP,
                "ip addr add %s/32 dev lo" % VIP):
        names("n3 has lost the address", (WHERE["n3"], "vip"),
              of("n3", "media"), "not on its lo")
    rule = "iptables-legacy -t nat -%s POSTROUTING -p udp -s " + VIP + (
        " -j SNAT --to-source " + NODES["n2"])
    with broken("n2", rule % "A", rule % "D"):
        names("n2 sends media from its own address", (WHERE["n2"], "media"),
              text=NODES["n2"])
    rule = "iptables-legacy -%s OUTPUT -p udp -j DROP"
    with broken("n1", rule % "A", rule % "D"):
        names("n1 lets no media out", (WHERE["n1"], "media"),
              text="no media comes")
    with broken("segment", "ip link set p-n2 down", "ip link set p-n2 up"):
        names("n2 is unplugged", (WHERE["n2"], "segment"),
              of("n2", "agent", "capacity", "server", "vip", "arp",
                 "announce", "media", "viewers"))
    viewers_of_another_interface()


def daemons(lab):
    node = lab.nodes["n1"]
    asked = of("n1", "capacity", "announce")
    node.agent.kill()
    names("n1's agent is gone", (WHERE["n1"], "agent"), asked, "no agent")
    node.start_agent()
    for what, text, said in (
            ("nonsense", b"hello\n", "no report"),
            ("version 2", b"ready 50%\nversion 2\nend\n", "version 2"),
            ("nothing", b"", "says nothing"),
            ("nothing, for ever", None, "in time")):
        with says(node, text):
            names("n1's agent says " + what, (WHERE["n1"], "agent"), asked,
                  said)
    cluster.within(10, "n1 is ready", node.ready)
    node = lab.nodes["n3"]
    node.server.kill()
    run("pkill", "-KILL", "-f", "vodd -f -n n3 ", check=False)
    names("n3's server is gone", (WHERE["n3"], "server"), of("n3", "media"))
    node.start_server()
    cluster.within(10, "n3 is ready", node.ready)
    with open(CONF + ".weights", "w") as out:
        out.write(TITLE + "nodes = (%s);\n" % ", ".join(
            '{ address = "%s"; weight = %d; }' % (NODES[name], weight)
            for name, weight in (("n1", 1), ("n2", 2), ("n3", 1))))
    names("n2 has a weight of twice its capacity", (WHERE["n2"], "capacity"),
          conf=CONF + ".weights")


def marks():
    first, last = RTP_PORTS["n2"]
    rule = "-p udp --dport %d:%d -j MARK --set-mark %d"
    own = rule % (first, last, first)
    with broken("d1", UDP_RULE % ("D", own), UDP_RULE % ("I", own)):
        names("n2's mark is missing", (WHERE["n2"], "mark"),
              text="port %d" % (first + 1))
    more = rule % (first - 50, first - 1, first)
    with broken("d1", UDP_RULE % ("A", more), UDP_RULE % ("D", more)):
        names("n2's range reaches into n1's", (SERVICE, "marks"))
    mark, node = RTP_PORTS["n3"][0], NODES["n3"]
    with broken("d1", "ipvsadm -d -f %d -r %s:0" % (mark, node),
                "ipvsadm -a -f %d -r %s:0 -g" % (mark, node)):
        names("n3's mark leads nowhere", (WHERE["n3"], "mark"), text="nowhere")
        run("ipvsadm", "-a", "-f", str(mark), "-r", NODES["n1"] + ":0", "-g",
            place="d1")
        names("n3's mark leads to n1", (WHERE["n3"], "mark"),
              text=NODES["n1"])
        run("ipvsadm", "-d", "-f", str(mark), "-r", NODES["n1"] + ":0",
            place="d1")
    jump = "iptables-legacy -t mangle -%s PREROUTING -d " + VIP + (
        " -p udp -j VODD-" + VIP)
    with broken("d1", jump % "D", jump % "A"):
        names("there are no marks", (SERVICE, "marks"),
              {(WHERE[name], "mark") for name in NODES})


def director(lab):
    edit = "ipvsadm -E -t %s:%d " % (VIP, RTSP_PORT)
    with broken("d1", edit + "-s rr", edit + "-s wlc"):
        names("the scheduler is rr", (SERVICE, "scheduler"))
    with broken("d1", edit + "-s wlc -p 300", edit + "-s wlc"):
        names("there is persistence", (SERVICE, "persistence"))
    edit = "ipvsadm -e -t %s:%d -r %s -w 1 " % (VIP, RTSP_PORT, WHERE["n1"])
    with broken("d1", edit + "-m", edit + "-g"):
        names("n1 is masqueraded", (WHERE["n1"], "forwarding"))
    sound = "ipvsadm --set 900 30 300"
    with broken("d1", "ipvsadm --set 60 30 300", sound):
        names("connections are forgotten", ("director", "timeouts"),
              text="connection")
    with broken("d1", "ipvsadm --set 900 30 5", sound):
        names("UDP is forgotten", ("director", "timeouts"), text="UDP")
    sysctl = "sysctl -q -w net.ipv4.vs.expire_nodest_conn=%d"
    with broken("d1", sysctl % 0, sysctl % 1):
        names("expire_nodest_conn is 0", ("director", "nodest"))
    address = "ip addr %s " + VIP + "/32 dev eth0"
    with broken("d1", address % "del", address % "add"):
        names("no director has the address", (SERVICE, "vip"),
              text="no director")
    other = lab.directors["d2"]
    other.set_up()
    names("both have it", (SERVICE, "vip"), text="here and at")
    run(*(address % "del").split(), place="d2")
    names("d2 waits", None, place="d2")
    run("ipvsadm", "-D", "-t", "%s:%d" % (VIP, RTSP_PORT), place="d1")
    _, found = diagnose(options=("-s", SERVICE))
    shown(those(found, "wrong") == {(SERVICE, "service")},
          "the service is missing, and named")


def rights():
    """As a user with none."""
    nobody = ("setpriv", "--reuid", "64990", "--regid", "64990",
              "--clear-groups")
    status, found = diagnose(NODES["n2"], before=nobody,
                             options=("-s", SERVICE))
    shown(status == 0 and those(found, "not checked") == {
        ("director", "table")} | of("n2", "segment", "mark", "media"),
        "without rights a node's agent and server are looked at, and the rest "
        "is named")
    status, found = diagnose(NODES["n2"])
    shown(status == 0 and set(found) == of("n2", *OF_NODE),
          "of a node that is named, and no other, %d checks" % len(OF_NODE))
    status, found = diagnose(DIRECTORS["d2"])
    shown(status == 1 and set(found) == {(DIRECTORS["d2"], "service")},
          "one that is none is named")
    shown(diagnose("n2")[0] == 2, "a name is no address")


def show(lab):
    with open(CONF, "w") as out:
        out.write(TITLE)
    found = names("as it was set up", None)
    check(len(found) == OF_ALL, "%d findings" % len(found))
    rights()
    nodes(lab)
    daemons(lab)
    marks()
    names("all is healed", None)
    director(lab)
