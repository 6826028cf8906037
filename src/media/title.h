/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * title - one file being served.
 *
 * A title is opened once per worker and shared by its sessions; it keeps no
 * position of its own and does not change after title_open().  Times are media
 * time from the start of the title (preroll taken off).  All functions but the
 * plain getters read the file and may wait for the disk: a worker calls them on
 * a reader thread (media/reader), never in its loop; title_try_packets() never
 * waits.
 */
#ifndef MEDIA_TITLE_H
#define MEDIA_TITLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "media/asf.h"

struct title; /* opaque */

/* The longest header that FFmpeg takes in SDP (wire reference 3.2). */
#define TITLE_SDP_HEADER_MOST 12249

/*
 * What tells that a file is still the one that was opened.  The change is that
 * of the contents (st_mtim): a link, another name or another mode do not end a
 * session.
 */
struct title_identity {
	uint64_t device, inode, bytes, change_time_us;
};

/*
 * Open PATH beneath MEDIA_ROOT (openat2: RESOLVE_BENEATH,
 * RESOLVE_NO_MAGICLINKS; O_NONBLOCK and a regular file only); it cannot lead
 * outside, by ".." or by link. On success *OUT is owned by the caller, who ends
 * it with title_close(). Errors: -ENOENT absent, forbidden, or no regular file
 * (all alike), -EBADMSG not servable ASF (*REASON then says why:
 * asf_result_text), other -errno (EIO, EMFILE …).
 */
int title_open(int media_root, const char *path, struct title **out,
    enum asf_result *reason);
void title_close(struct title *title); /* accepts NULL */

const struct asf_header *title_header(const struct title *title);
const struct title_identity *title_identity(const struct title *title);
/* 0 or -ESTALE: the file behind the descriptor changed its length or change
 * time. */
int title_check(const struct title *title);
uint32_t title_packets(const struct title *title);
uint32_t title_packet_bytes(const struct title *title);
/* True media duration: what the last packets say (ASF reference 5.6), not the
 * header. */
uint64_t title_duration_us(const struct title *title);
/* Whole file, RTP, UDP and IP headers not counted: data bytes * 8 / send
 * duration. */
uint64_t title_average_bps(const struct title *title);
/* Average rate of one stream; streams without one in the header share what is
 * left of title_average_bps. */
uint64_t title_stream_bps(const struct title *title, unsigned stream);
/* No packet is sent later: one that says so has the send time of the one
 * before. */
uint32_t title_latest_send_ms(const struct title *title);
/* The header for SDP (asf_header_copy with SDP's limit); borrowed. */
const uint8_t *title_sdp_header(const struct title *title, size_t *size);
bool title_has_index(const struct title *title);
int title_fd(const struct title *title);
/* Of who opened it; reader jobs that read it carry it. */
void title_set_mark(struct title *title, uint64_t mark);
uint64_t title_mark(const struct title *title);
/* Where the Data Object ends, by its size or, where that was never filled in,
 * by what stands behind the packets: an index, or the end of the file. */
uint64_t title_data_end(const struct title *title);
/* Byte offset of packet PACKET in the file. */
uint64_t title_packet_offset(const struct title *title, uint32_t packet);

/*
 * Up to COUNT packets from FIRST into INTO (stride STRIDE >= packet_bytes, each
 * packet at INTO + i * STRIDE), from the page cache only (preadv2, RWF_NOWAIT).
 * Whole packets read (may be fewer than COUNT), or -EAGAIN: not cached;
 * -EOPNOTSUPP: this file system cannot (remembered by the caller via
 * title_can_nowait); -EIO, -ESTALE (end of file where packets should be).
 */
int title_try_packets(const struct title *title, uint32_t first, uint32_t count,
    uint8_t *into, size_t stride);
bool title_can_nowait(const struct title *title);
/* The same, waiting for the disk; for reader threads and tools. */
int title_read_packets(const struct title *title, uint32_t first,
    uint32_t count, uint8_t *into, size_t stride);

/*
 * The packet to start at so that playback is right at AT_US: where the last
 * key frame at or before it begins (of the lowest-numbered video stream in
 * WANTED; without one the packet that is sent at AT_US).  *REACHED_US is the
 * media time really reached: that key frame's, resp. the packet's (never after
 * AT_US, except for the very first). Beyond the end: the last key frame.  By
 * the index where it is right, else by search (ASF reference 6.2); scan capped.
 * 0 or -EIO.
 */
int title_seek(const struct title *title, uint64_t at_us, struct asf_set wanted,
    uint32_t *out_packet, uint64_t *reached_us);
/*
 * The first packet whose send time lies behind media time AT_US as far as a
 * client needs it to show everything up to AT_US: for the end of a Range.
 * title_packets() when AT_US is at or behind the end.
 */
int title_end_packet(
    const struct title *title, uint64_t at_us, uint32_t *out_packet);
/* Send time of a packet, ms; a packet whose time cannot be read, or cannot be,
 * has that of the one before. */
int title_send_ms(const struct title *title, uint32_t packet, uint32_t *out_ms);

#endif
