/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock - listeners, UDP pairs, passing descriptors; every socket option of
 * the project is set here.
 *
 * All sockets are close-on-exec and non-blocking.  Functions return a
 * descriptor (owned by the caller) or 0, or -errno.
 */
#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* One address of either family, 28 bytes; what a table record holds. */
union sock_address {
	sa_family_t family;
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

socklen_t sock_address_length(const union sock_address *address);
uint16_t sock_address_port(const union sock_address *address); /* host order */
void sock_address_set_port(union sock_address *address, uint16_t port);
/* The same host?  Ports are not looked at; ::ffff:a.b.c.d equals a.b.c.d. */
bool sock_address_same_host(
    const union sock_address *a, const union sock_address *b);
/* Of the host part, keyed by SEED; IPv6 by its /64. */
uint64_t sock_address_hash(const union sock_address *address, uint64_t seed);
/* "192.0.2.1:554", "[2001:db8::1]:554"; without the port when WITH_PORT is
 * false. */
#define SOCK_TEXT_MAX 72
const char *sock_address_text(const union sock_address *address, bool with_port,
    char text[static SOCK_TEXT_MAX]);
/*
 * "[ADDRESS]:PORT", "ADDRESS:PORT" (IPv4), ":PORT" (all addresses: :: when
 * the machine has IPv6, else 0.0.0.0), "PORT".  Numeric only.  -EINVAL.
 */
int sock_address_parse(const char *text, union sock_address *out);

/*
 * A listening TCP socket without SO_REUSEPORT, so that a second instance gets
 * -EADDRINUSE.  An IPv6 one that is bound to :: takes IPv4 too.
 */
int sock_listen(const union sock_address *address, int backlog);
/*
 * HOLD: no more connections begin at this listener, as if the packets that ask
 * for it were lost; those that have begun come through.  0 or -errno.
 */
int sock_listener_hold(int fd, bool hold);
int sock_listener_waiting(int fd); /* to be accepted; or -errno */
/*
 * Accepts one; *PEER and *LOCAL are the ends, as plain IPv4 when that is what
 * the client speaks.  TCP_NODELAY, keep-alive set.
 */
int sock_accept(
    int listener, union sock_address *peer, union sock_address *local);
/* Both ends of a connected socket: 0 or -errno. */
int sock_ends(int fd, union sock_address *peer, union sock_address *local);
uint64_t sock_cookie(int fd); /* SO_COOKIE; 0 when the kernel has none */

/*
 * An RTP/RTCP pair on an even port and the one above it, both unconnected,
 * bound to the any-address of FAMILY.  FIRST and LAST bound the range; 0, 0:
 * the kernel's choice.  Send buffer 8 MiB where allowed (SO_SNDBUFFORCE, else
 * as far as it goes), IP_PKTINFO on, IP_PMTUDISC_OMIT, no IP_RECVERR. *OUT_PORT
 * is the even port.  -EADDRINUSE: nothing free in the range.
 */
struct sock_pair {
	int rtp, rtcp; /* -1: none */
	uint16_t port;
	int family; /* AF_INET, AF_INET6 (v6 only), 0: none */
};
int sock_pair_open(
    int family, uint16_t first, uint16_t last, struct sock_pair *out);
void sock_pair_close(struct sock_pair *pair);

/* A SOCK_SEQPACKET pair with large buffers, both ends non-blocking. */
int sock_seqpacket_pair(int out[static 2]);

/*
 * SOCK_SEQPACKET by a name in the file system, for the owner only.  listen
 * replaces what stood there.  Who connects is told who listened last, which
 * sock_local_own() makes the caller; who accepts is told who connected.
 */
int sock_local_listen(const char *path);
int sock_local_own(int listener);
int sock_local_connect(const char *path); /* never waits */
int sock_local_accept(int listener);
struct sock_peer {
	pid_t pid; /* 0: in another namespace */
	uid_t uid;
};
int sock_local_peer(int fd, struct sock_peer *out);

/*
 * Packets of an ETHER_TYPE that come in at INTERFACE, from their network header
 * on; TO is NULL or where IPv4 ones are to go, others are not received.
 * -EPERM without CAP_NET_RAW.
 */
int sock_packets(
    unsigned interface, uint16_t ether_type, const struct in_addr *to);

/* What a descriptor that somebody else opened really is. */
enum sock_kind {
	SOCK_KIND_NONE,
	SOCK_KIND_LISTENER, /* TCP */
	SOCK_KIND_CONNECTION, /* TCP */
	SOCK_KIND_UDP,
	SOCK_KIND_LOCAL_LISTENER, /* SOCK_SEQPACKET */
	SOCK_KIND_CHANNEL, /* SOCK_SEQPACKET, connected */
};
enum sock_kind sock_kind(int fd);

/*
 * One message with up to SOCK_FDS_MAX descriptors.  send: 0 or -errno
 * (-EAGAIN: nothing was sent).  receive: bytes (0: the peer is gone) or -errno;
 * the descriptors are the caller's.  -EMFILE: there are none left for those of
 * the message, -EMSGSIZE: it has more than there is room for; then the message
 * is gone and none is left open.
 */
#define SOCK_FDS_MAX 250
int sock_send_fds(
    int fd, const void *data, size_t size, const int *fds, size_t fd_count);
ssize_t sock_receive_fds(int fd, void *data, size_t size, int *fds,
    size_t fds_size, size_t *fd_count);

/*
 * What the peer's kernel accepted and what we consumed, in bytes since the
 * connection was made (architecture, section 3, Adoption): TCP_INFO,
 * SIOCOUTQ, SIOCINQ, TCP_INFO until both agree.
 */
struct sock_progress {
	uint64_t accepted, consumed;
};
int sock_progress(int fd, struct sock_progress *out);

/*
 * A TCP connection to ADDRESS, for clients: it is made, or failed (SO_ERROR),
 * when it can be written to.
 */
int sock_connect(const union sock_address *address);
/* As much as is allowed; more than that is no error. */
void sock_receive_buffer(int fd, int bytes);

/* Raise RLIMIT_NOFILE to WANTED as far as allowed; what it is then. */
uint64_t sock_raise_file_limit(uint64_t wanted);

#endif
