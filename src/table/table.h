/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table - the shared-memory session table: the truth of an instance.
 *
 * One POSIX shm object per instance.  A header (written by the master, before
 * workers are forked and under reload), then lanes.  A lane is a range of
 * records that one process writes and everybody may read; nothing is locked.  A
 * record is kept in two copies; its version selects the whole one, so a writer
 * killed at any instruction leaves the state before or after. No pointers;
 * fixed-width fields; native byte order; TABLE_LAYOUT says which layout.
 *
 * Lane life: master table_create()s; worker table_lane_open()s its lane for
 * writing; anyone table_open()s for reading.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sock.h"

#define TABLE_MAGIC UINT64_C(0x0a626174646f760a) /* "\nvodtab\n", roughly */
#ifndef TABLE_LAYOUT /* a test has one of another */
#define TABLE_LAYOUT 2
#endif
#define TABLE_LANES_MAX 64
#define TABLE_NAME_MAX 64
#define TABLE_OUTBOX_BYTES 2048
#define TABLE_LARGE_OUTBOX_BYTES 65536
#define TABLE_PATH_MAX 896
#define TABLE_FLOWS_MAX 8
#define TABLE_SESSIONS_PER_CONNECTION 8
/* A connection, and both parts of each of its sessions. */
#define TABLE_CHANGES_MAX (1 + 2 * TABLE_SESSIONS_PER_CONNECTION)
#define TABLE_USER_AGENT_MAX 96
#define TABLE_NONE UINT32_MAX /* no record, no lane */

/* In every record: 0 is free (a fresh lane is all zeros). */
enum table_record_state { TABLE_FREE, TABLE_CLAIMED, TABLE_USED };

/* --- connection: one RTSP connection ------------------------------------ */
struct table_connection {
	uint32_t state; /* enum table_record_state */
	uint32_t last; /* 1: ends when its outbox has gone out */
	uint64_t cookie; /* SO_COOKIE of its socket */
	/* Input bytes answered, from the start of the connection. */
	uint64_t in_done;
	/* Output bytes at the last boundary published here. */
	uint64_t out_done;
	uint32_t outbox_bytes; /* what stands in the outbox; 0: empty */
	uint32_t outbox_large; /* 1: it stands in the lane's large outbox */
	/* Session whose frames follow the boundary, or TABLE_NONE. */
	uint32_t writer;
	uint32_t session_count;
	/* Records of the same lane. */
	uint32_t sessions[TABLE_SESSIONS_PER_CONNECTION];
	uint64_t accepted_us;
	uint32_t blame; /* owners that died over its request */
	uint32_t reserved;
	union sock_address peer, local;
};

/* --- session ------------------------------------------------------------- */
enum table_session_state {
	TABLE_SESSION_INIT,
	TABLE_SESSION_READY,
	TABLE_SESSION_PLAYING,
	TABLE_SESSION_PAUSED
};
enum table_transport { TABLE_UDP, TABLE_TCP };
/* End of stream: no, last packet sent, BYE sent. */
enum table_end { TABLE_END_NONE, TABLE_END_REACHED, TABLE_END_SAID };

/* One destination: one SSRC, one sequence (RFC 3550). */
struct table_flow {
	uint32_t ssrc;
	uint32_t packets; /* sent, for SR */
	uint32_t octets;
	uint16_t sequence; /* of the next packet */
	uint16_t reserved;
};

/* Published per batch: everything that a packet sent changes.  256 bytes. */
struct table_session {
	uint32_t state; /* enum table_record_state */
	uint32_t session_state; /* enum table_session_state */
	uint32_t end; /* enum table_end */
	uint32_t packet; /* next ASF packet */
	uint32_t item; /* next item (SR or fragment) of it, 0.. */
	uint32_t end_packet; /* first packet that is not sent any more */
	uint32_t first_ms; /* send time of the packet PLAY began with */
	uint32_t position_ms; /* media time of `packet`, for people */
	uint64_t base_us; /* monotonic: when first_ms is due */
	uint64_t base_wall_us; /* wall clock at base_us: NTP times of SRs */
	uint64_t catch_us; /* catching up since then (0: not) ... */
	uint32_t catch_ms; /* ... from this send time on, at twice the rate */
	uint32_t speed_milli;
	/* SRs stand before the first packet sent at or behind this. */
	uint32_t sr_due_ms;
	uint32_t resync; /* 1: what resyncs a demultiplexer stands before it */
	uint32_t flow_count;
	/* TCP: output bytes of the connection where (packet, item) begins. */
	uint64_t out_done;
	/* Monotonic: ends then unless something is heard. */
	uint64_t deadline_us;
	uint64_t committed_bps;
	/* RTP with its header; counts of this session. */
	uint64_t bytes_sent, packets_sent;
	uint32_t packets_lost; /* from receiver reports, all flows */
	uint32_t jitter_ms;
	struct table_flow flows[TABLE_FLOWS_MAX];
};

/* Of a flow; ports in host order, or channels. */
struct table_destination {
	uint16_t rtp, rtcp;
};

/* Published per request. */
struct table_session_cold {
	uint8_t id[16]; /* random; the right to the session */
	/* Control connection: record of the same lane, or TABLE_NONE. */
	uint32_t connection;
	uint32_t title; /* record of the same lane */
	uint32_t transport; /* enum table_transport */
	uint32_t pair_lane; /* lane of the UDP pair used */
	uint32_t payload_limit; /* bytes of RTP payload */
	/* BYEs beyond one per flow, so that there is one per m= line. */
	uint32_t bye_extra;
	/* Stream numbers, struct asf_set. */
	uint64_t flow_streams[TABLE_FLOWS_MAX][2];
	struct table_destination destination[TABLE_FLOWS_MAX];
	uint64_t setup_streams[2]; /* all that were set up */
	uint32_t has_rtx; /* the retransmission stream was set up ... */
	struct table_destination rtx; /* ... there */
	/* Media goes to peer's host, from local's. */
	union sock_address peer, local;
	uint64_t created_wall_us, play_wall_us;
	uint32_t start_ms; /* media time of the first PLAY, for the log */
	uint32_t quirks; /* server/quirks.h */
	char user_agent[TABLE_USER_AGENT_MAX];
};

/* --- title --------------------------------------------------------------- */
struct table_title {
	uint32_t state; /* enum table_record_state */
	uint32_t blame; /* owners that died over it, the last ... */
	uint64_t blamed_us; /* ... then; monotonic */
	uint64_t refused_until_us;
	/* 0: it is being opened for the first time. */
	uint64_t device, inode, bytes, change_time_us;
	char path[TABLE_PATH_MAX]; /* below the media root */
};

/* --- the worker's block of a lane ---------------------------------------- */
/* Bucket i: values < 2^i microseconds; the last: all others. */
#define TABLE_HISTOGRAM_BUCKETS 32
/* Single words, each true alone; written by the lane's owner. */
enum table_counter {
	TABLE_HEARTBEAT_US, /* monotonic */
	TABLE_TURN_US, /* monotonic: what was due then, and ahead, is sent */
	/* What is being worked on, table_mark(); 0: nothing that could be
	 * blamed. */
	TABLE_BLAME,
	/* The same of a reader thread that died of its own fault; else 0. */
	TABLE_FAULT,
	TABLE_CONNECTIONS, /* open now */
	TABLE_SESSIONS, /* records used now */
	TABLE_COMMITTED_BPS, /* sum over playing and paused sessions */
	TABLE_TITLES_REFUSED, /* now, since their owners died over them */
	TABLE_ACCEPTING_US, /* monotonic: new connections then; 0: does not */
	/* Since the instance began; not reset by a new worker. */
	TABLE_BYTES_SENT,
	TABLE_PACKETS_SENT,
	TABLE_REQUESTS,
	TABLE_REFUSED_BANDWIDTH, /* 453 */
	TABLE_REFUSED_SESSIONS, /* 503 */
	TABLE_SESSIONS_BEGUN,
	TABLE_SESSIONS_ENDED,
	TABLE_SEND_ERRORS,
	TABLE_LATE_PACKETS, /* sent more than a tick after they were due */
	TABLE_COLD_READS,
	TABLE_COUNTER_COUNT
};
enum table_histogram {
	TABLE_REQUEST_DURATION,
	TABLE_START_DELAY,
	TABLE_LATENESS,
	TABLE_HISTOGRAM_COUNT
};

/*
 * The records that are to blame if the owner dies now: a connection whose
 * request is answered, a title that is read; TABLE_NONE: none.
 */
static inline uint64_t
table_mark(uint32_t connection, uint32_t title)
{
	return (uint64_t)(uint32_t)(title + 1) << 32 |
	       (uint32_t)(connection + 1);
}
static inline uint32_t
table_mark_connection(uint64_t mark)
{
	return (uint32_t)mark - 1;
}
static inline uint32_t
table_mark_title(uint64_t mark)
{
	return (uint32_t)(mark >> 32) - 1;
}

/* --- creating, opening ---------------------------------------------------- */
/* Opaque: a mapping of the whole object, read-only but for lanes opened. */
struct table;

struct table_limits {
	uint32_t lanes; /* 1.. */
	uint32_t spare_lanes; /* table_grow() adds; all: TABLE_LANES_MAX */
	uint32_t lane_sessions; /* records of a lane */
	uint32_t lane_connections;
	uint32_t lane_titles;
	uint64_t max_bandwidth_bps, max_sessions; /* for people and agents */
};

/* What the header says for readers; written by the master. */
struct table_info {
	struct table_limits limits;
	uint64_t generation; /* counts reloads */
	int32_t master_pid;
	uint32_t draining;
	uint64_t started_wall_us;
	uint64_t bytes; /* of the object */
};

/* Bytes of a table whose lanes are all full. */
uint64_t table_size(const struct table_limits *limits);
/*
 * "/vodd.INSTANCE" -> a fresh object in place of an old one of the same name,
 * mode 0640 whatever the umask, group GROUP ((gid_t)-1: as it is).  The file's
 * length is set for all lanes; memory is allocated (posix_fallocate) for the
 * header and the blocks of lanes that are not spare now and for records as
 * lanes grow, so that a full /dev/shm is -ENOSPC, never SIGBUS.  The caller
 * makes sure that no other master of the instance lives: its table would be
 * replaced.
 *
 * -EPERM: the old object is another user's.  -EINVAL: limits, or a name that
 * is not "/NAME".
 */
int table_create(const char *name, const struct table_limits *limits,
    gid_t group, struct table **out);
/*
 * Read-only.  -ENOENT: no such instance, or its table is still being made;
 * -EPROTO: not ours or another layout; -EACCES.
 */
int table_open(const char *name, struct table **out);
/*
 * A table that a dead master made, from its descriptor: as table_create() would
 * leave it, but with what is in it.  FD is the table's from then on; still the
 * caller's on an error.  -EPROTO: not ours or another layout.
 */
int table_take(int fd, struct table **out);
/* Borrowed; -1: the table was opened for reading. */
int table_descriptor(const struct table *table);
void table_close(struct table *table); /* accepts NULL; the object stays */
int table_unlink(const char *name);
void table_info(const struct table *table, struct table_info *out);
/* Master only, as are the three below. */
void table_set_master(
    struct table *table, int32_t pid, uint64_t generation, bool draining);
/* After a reload that changed them. */
void table_set_maxima(
    struct table *table, uint64_t max_bandwidth_bps, uint64_t max_sessions);
/*
 * Memory for the lanes below LANES, all zeros, that were spare so far; readers
 * see them from now on.  0, or -errno: as it was, but for -ENOSPC some of them
 * may have been added.  -EINVAL: more than there are.
 */
int table_grow(struct table *table, uint32_t lanes);
/*
 * Which process writes a lane (0: none).  Set by the master when that process
 * may begin to, cleared after wait.
 */
void table_lane_set_pid(struct table *table, uint32_t lane, int32_t pid);
int32_t table_lane_pid(const struct table *table, uint32_t lane);

/*
 * In a forked worker: make LANE writable; everything else becomes or stays
 * read-only.  (In the process that made the table the header stays writable
 * too.)  For each lane that the worker serves.  Counters of the lane go on,
 * records stay as the last owner left them: walk [0, table_high_water()) and
 * release what is not carried on, CLAIMED ones included. 0 or -errno; -EACCES:
 * the table was opened for reading.
 */
int table_lane_open(struct table *table, uint32_t lane);
/*
 * A lock (fcntl(2)) by which a lane's owner is told from one that has ended:
 * the kernel takes it back with the process.  -EAGAIN: another process has it.
 */
int table_lane_lock(struct table *table, uint32_t lane);
void table_lane_unlock(struct table *table, uint32_t lane);

/* --- records -------------------------------------------------------------- */
/* SESSION and SESSION_COLD are parts of one record, claimed together. */
enum table_kind {
	TABLE_CONNECTION,
	TABLE_SESSION,
	TABLE_SESSION_COLD,
	TABLE_TITLE,
	TABLE_KIND_COUNT
};

/* Of one lane. */
uint32_t table_capacity(const struct table *table, enum table_kind kind);
/* Records [0, n) of a lane were ever used; readers look no further. */
uint32_t table_high_water(
    const struct table *table, uint32_t lane, enum table_kind kind);

/*
 * Owner of LANE only.  Claim publishes state TABLE_CLAIMED, everything else 0,
 * and returns the lowest free record; -EUSERS: the lane is full; -ENOSPC,
 * -ENOMEM: it cannot grow, there is no memory for more.  Publish
 * copies the whole VIEW, whose state is not TABLE_FREE.  Release publishes
 * TABLE_FREE.  Sessions are claimed and released as TABLE_SESSION.
 */
int table_claim(
    struct table *table, uint32_t lane, enum table_kind kind, uint32_t *out);
void table_publish(struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record, const void *view);
void table_release(
    struct table *table, uint32_t lane, enum table_kind kind, uint32_t record);
/*
 * Publishes, and releases where VIEW is NULL (not SESSION_COLD), what must
 * agree: wherever the owner dies, his successor's table_lane_open() finds all
 * of it or none.  COUNT is at most TABLE_CHANGES_MAX, each record and part
 * once. Other readers may see the one before the other.
 */
struct table_change {
	enum table_kind kind;
	uint32_t record;
	const void *view;
};
void table_publish_all(struct table *table, uint32_t lane,
    const struct table_change *changes, unsigned count);

/*
 * Anybody: a whole copy.  False: the record changed each time we looked
 * (bounded tries; VIEW is as it was), or there is no such record.  A free
 * record is read too (state 0).
 */
bool table_read(const struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record, void *view);

/*
 * Where a connection's replies stand before they are written; its owner may
 * write there.  LARGE: the lane's one.  NULL: no such record was ever claimed.
 */
uint8_t *table_outbox(
    struct table *table, uint32_t lane, uint32_t connection, bool large);

void table_counter_set(struct table *table, uint32_t lane,
    enum table_counter counter, uint64_t value);
void table_counter_add(struct table *table, uint32_t lane,
    enum table_counter counter, int64_t value);
uint64_t table_counter(
    const struct table *table, uint32_t lane, enum table_counter counter);
/* Of all lanes. */
uint64_t table_counter_sum(
    const struct table *table, enum table_counter counter);
void table_histogram_add(struct table *table, uint32_t lane,
    enum table_histogram histogram, uint64_t us);
void table_histogram_read(const struct table *table, uint32_t lane,
    enum table_histogram histogram,
    uint64_t out[static TABLE_HISTOGRAM_BUCKETS]);

/*
 * Add AMOUNT to the lane's counter, sum it over all lanes, take it back if that
 * is above LIMIT (0: no limit).
 */
bool table_reserve(struct table *table, uint32_t lane,
    enum table_counter counter, uint64_t amount, uint64_t limit);

#endif
