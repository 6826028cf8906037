/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client: its thread, the queue, and what is done when a connection ends.
 * What happens on a connection is link.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "player/client_parts.h"

#define RETRY_US (US_PER_SECOND / 2)
/*
 * A server that brings no packet of the title any more, whatever it answers and
 * sends, has lost it; another connection may lead to one that has not.  That
 * goes on while nobody is there, for as long as it may; but not while servers
 * answer, one after the other, and bring nothing.
 */
#define BARREN_US (7 * US_PER_SECOND / 2)
#define BARREN_ALL_US (2 * BARREN_US)
/* Of pictures alone: till a report comes, each 5 s (RFC 3550 6.2). */
#define BARREN_MOST_US (6 * US_PER_SECOND)
/* Nothing comes for so long: a report stands for what does not. */
#define GAP_US (US_PER_SECOND / 2)
#define REDIRECTS_MOST 5
#define TARGET_LEAST_MS 1000
#define TARGET_MOST_MS 10000
/* A lost connection is no matter while so much is in the queue and the viewer
 * takes nothing out. */
#define PATIENT_MS 8000

uint64_t
client_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * US_PER_SECOND +
	       (uint64_t)now.tv_nsec / 1000;
}

static void
wake(struct client *client)
{
	eventfd_write(client->wake, 1);
}

static void
tell_changed(struct client *client)
{
	if (client->changed != NULL)
		client->changed(client->context);
}

bool
client_is_stopping(struct client *client)
{
	bool stopping;

	pthread_mutex_lock(&client->mutex);
	stopping = client->stopping;
	pthread_mutex_unlock(&client->mutex);
	return stopping;
}

bool
client_wants_seek(struct client *client)
{
	bool wants;

	pthread_mutex_lock(&client->mutex);
	wants = client->has_seek;
	pthread_mutex_unlock(&client->mutex);
	return wants;
}

uint64_t
client_take_seek(struct client *client)
{
	uint64_t position_us;

	pthread_mutex_lock(&client->mutex);
	client->has_seek = false;
	position_us = client->seek_us;
	queue_clear(&client->queue);
	client->status.has_ended = false;
	pthread_mutex_unlock(&client->mutex);
	client->has_resume = client->is_skipping = client->has_key = false;
	client->latest_ms = 0;
	client->start_us = position_us;
	assemble_restart(client->assemble);
	landing_restart(client->landing);
	return position_us;
}

void
client_set_state(struct client *client, enum client_state state)
{
	bool changed;

	/* Only this thread writes it: packets come often. */
	if (state == CLIENT_STREAMING && client->status.state == state)
		return;
	pthread_mutex_lock(&client->mutex);
	changed = client->status.state != state;
	client->status.state = state;
	client->status.failure = client->failure;
	if (state == CLIENT_FAILED) /* what is there is all there will be */
		client->queue.is_buffering = false;
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	if (changed)
		tell_changed(client);
}

/* ---- the title ---- */

/*
 * One of each kind unless they were chosen: of pictures those with the highest
 * bit rate, of sound what stands first.
 */
static struct asf_set
choose(const struct client *client, const struct asf_header *header)
{
	struct asf_set chosen = client->options.streams;
	unsigned video = asf_best_video(header), audio = 0;

	if (!asf_set_is_empty(chosen))
		return chosen;
	for (unsigned i = 1; i < ASF_STREAMS && audio == 0; i++)
		if (header->streams[i].there &&
		    header->streams[i].kind == ASF_AUDIO)
			audio = i;
	if (audio != 0)
		asf_set_add(&chosen, audio);
	if (video != 0)
		asf_set_add(&chosen, video);
	return chosen;
}

static bool
fail_header(struct client *client, enum asf_result result)
{
	failure_set(&client->failure, FAILURE_CANNOT_PLAY,
	    "This title cannot be played: %s.", asf_result_text(result));
	return false;
}

static void on_packet(
    void *context, const uint8_t *packet, const struct asf_packet *parsed);
static void put(void *context, const uint8_t *packet, uint32_t send_ms);
static void
on_payload(void *context, const struct rtp_header *header,
    const uint8_t *payload, size_t size, bool gap)
{
	struct client *client = context;

	assemble_put(client->assemble, payload, size, header->marker, gap);
}

/* The first time; later ones must be of the same title. */
static bool
describe_first(struct client *client, const struct sdp_description *description)
{
	struct prologue *prologue = &client->prologue;
	struct asf_set chosen;
	enum asf_result result;
	uint32_t target_ms;

	result = prologue_make(description->asf_header,
	    description->asf_header_bytes, NULL, description->duration_us,
	    prologue);
	if (result != ASF_OK)
		return fail_header(client, result);
	chosen = choose(client, &prologue->header);
	result = prologue_make(description->asf_header,
	    description->asf_header_bytes, &chosen, description->duration_us,
	    prologue);
	if (result != ASF_OK)
		return fail_header(client, result);
	if (prologue->header.encrypted) {
		failure_set(&client->failure, FAILURE_CANNOT_PLAY,
		    "This title is protected; it cannot be played here.");
		return false;
	}
	if (assemble_new(prologue, on_packet, client, &client->assemble) != 0 ||
	    landing_new(prologue, put, client, &client->landing) != 0 ||
	    reorder_new(client->options.latency_ms * US_PER_MS, on_payload,
		client, &client->reorder) != 0) {
		failure_set(&client->failure, FAILURE_CANNOT_PLAY,
		    "There is not enough memory.");
		return false;
	}
	if (client->start_us != 0)
		landing_restart(client->landing);
	target_ms = client->options.buffer_ms;
	if (target_ms == 0)
		target_ms = MIN_OF(MAX_OF(prologue->header.preroll_ms +
					      client->options.latency_ms,
				       TARGET_LEAST_MS),
		    TARGET_MOST_MS);
	pthread_mutex_lock(&client->mutex);
	queue_init(&client->queue, target_ms);
	client->streams = prologue->streams;
	client->status.duration_us = description->duration_us;
	client->is_described = true;
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	tell_changed(client);
	return true;
}

bool
client_describe(
    struct client *client, const struct sdp_description *description)
{
	struct asf_header header;
	uint64_t bytes;

	if (!client->is_described)
		return describe_first(client, description);
	if (description->asf_header_bytes < 30 ||
	    asf_header_size(description->asf_header, &bytes) != ASF_OK ||
	    bytes > description->asf_header_bytes ||
	    asf_header_parse(description->asf_header, (size_t)bytes, &header) !=
		ASF_OK ||
	    header.packet_bytes != client->prologue.header.packet_bytes ||
	    memcmp(header.file_id, client->prologue.header.file_id,
		sizeof(header.file_id)) != 0) {
		failure_set(&client->failure, FAILURE_LOST,
		    "The server has another title in this place now.");
		return false;
	}
	return true;
}

/* ---- packets ---- */

/* FNV-1a; packets of one moment are few, and nobody gains by forging them. */
static uint64_t
hash(const uint8_t *data, size_t size)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		value = (value ^ data[i]) * UINT64_C(0x100000001b3);
	return value;
}

/* Did it come before the connection was lost? */
static bool
is_known(const struct client *client, uint32_t send_ms, uint64_t value)
{
	if (send_ms != client->resume_ms)
		return send_ms < client->resume_ms;
	for (unsigned i = 0; i < client->same_time_count; i++)
		if (client->same_time[i] == value)
			return true;
	return false;
}

static void
remember(struct client *client, uint32_t send_ms, uint64_t value)
{
	if (client->has_resume && send_ms < client->resume_ms)
		return;
	if (!client->has_resume || send_ms != client->resume_ms)
		client->same_time_count = 0;
	client->has_resume = true;
	client->resume_ms = send_ms;
	if (client->same_time_count < SAME_TIME_MOST)
		client->same_time[client->same_time_count++] = value;
}

static bool
ends_object(const struct asf_payload *payload)
{
	return payload->compressed ||
	       payload->object_offset + payload->data_bytes >=
		   payload->object_bytes;
}

static void
look_at(struct client *client, const struct asf_packet *parsed)
{
	const struct asf_stream *streams = client->prologue.header.streams;

	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (ends_object(payload))
			client->latest_ms =
			    MAX_OF(client->latest_ms, payload->presentation_ms);
		if (payload->key && payload->starts_object &&
		    streams[payload->stream].kind == ASF_VIDEO) {
			client->has_key = true;
			client->key_ms = payload->presentation_ms;
		}
	}
}

static void
reach(struct client *client, uint64_t time_ms)
{
	client->reached = (struct client_point){ client_now_us(), time_ms };
}

/* To where no connection had come before. */
static void
advance(struct client *client)
{
	client->advanced = client->reached;
	client->barren_us = 0;
}

/* On the way to what is missing; one that repeats itself for ever is not. */
static void
skip(struct client *client, uint32_t send_ms)
{
	if (send_ms > client->reached.ms)
		reach(client, send_ms);
}

static void
on_packet(void *context, const uint8_t *packet, const struct asf_packet *parsed)
{
	struct client *client = context;
	uint64_t value = hash(packet, client->prologue.header.packet_bytes);

	client->had_data = true;
	client->packet_ms = parsed->send_ms;
	if (client->is_skipping) {
		if (is_known(client, parsed->send_ms, value)) {
			skip(client, parsed->send_ms);
			return;
		}
		client->is_skipping = parsed->send_ms <= client->resume_ms;
	}
	reach(client, parsed->send_ms);
	advance(client);
	client->lost_us = 0;
	client_set_state(client, CLIENT_STREAMING);
	remember(client, parsed->send_ms, value);
	look_at(client, parsed);
	landing_put(client->landing, packet, parsed->send_ms);
}

static void
put(void *context, const uint8_t *packet, uint32_t send_ms)
{
	struct client *client = context;
	unsigned before, after;

	pthread_mutex_lock(&client->mutex);
	before = queue_percent(&client->queue);
	if (!client->has_seek)
		queue_put(&client->queue, packet,
		    client->prologue.header.packet_bytes, send_ms);
	after = queue_percent(&client->queue);
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	if (before != after)
		tell_changed(client);
}

void
client_arrived(struct client *client, uint64_t now_us, size_t bytes)
{
	if (client->last_data_us != 0) {
		pthread_mutex_lock(&client->mutex);
		client->status.network_gap_us =
		    MAX_OF(client->status.network_gap_us,
			now_us - client->last_data_us);
		pthread_mutex_unlock(&client->mutex);
	}
	client->last_data_us = now_us;
	client->rate_bytes += bytes;
}

void
client_end(struct client *client)
{
	landing_flush(client->landing);
	pthread_mutex_lock(&client->mutex);
	if (!client->has_seek) {
		queue_end(&client->queue);
		client->status.has_ended = true;
	}
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	client->last_data_us = 0; /* nothing is missing */
	client->lost_us = client->barren_us = 0;
	client_set_state(client, CLIENT_STREAMING);
	tell_changed(client);
}

void
client_gap(struct client *client)
{
	pthread_mutex_lock(&client->mutex);
	queue_gap(&client->queue);
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	client->lost_us = 0;
	client_set_state(client, CLIENT_STREAMING);
	tell_changed(client);
}

/* Of the title, as presentation time; 0: not known. */
static uint64_t
end_ms(const struct client *client)
{
	uint64_t duration_us = client->status.duration_us;

	return duration_us == 0 ? 0
				: duration_us / US_PER_MS +
				      client->prologue.header.preroll_ms;
}

bool
client_has_all(struct client *client)
{
	return end_ms(client) != 0 && client->has_resume &&
	       client->latest_ms + UINT64_C(500) >= end_ms(client);
}

/* Time in a gap, from POINT on: half as fast as ours, or faster. */
static bool
has_gone_on(const struct client_point *point, uint64_t time_ms, uint64_t now_us)
{
	uint64_t since_us = now_us - MIN_OF(now_us, point->at_us);

	return time_ms > point->ms &&
	       time_ms >= point->ms + since_us / US_PER_MS / 2;
}

/*
 * Pictures alone may be as far apart as the title is long, and so may all of a
 * title be.  In a gap the server's reports go on (RFC 3550 6.3), with times
 * that do; else it is only there.
 */
bool
client_reported(struct client *client, uint32_t passed_ms)
{
	uint64_t now_us = client_now_us(), most_ms = end_ms(client);
	uint64_t time_ms = (uint64_t)client->packet_ms + passed_ms;

	if (!client->had_data || now_us < client->last_data_us + GAP_US ||
	    (most_ms != 0 && time_ms > most_ms) ||
	    !has_gone_on(&client->reached, time_ms, now_us))
		return false;
	reach(client, time_ms);
	if (has_gone_on(&client->advanced, time_ms, now_us))
		advance(client);
	client_gap(client);
	return true;
}

/* For how long one connection may bring nothing. */
static uint64_t
barren_most_us(const struct client *client)
{
	return client_plays(client, ASF_AUDIO) ? BARREN_US : BARREN_MOST_US;
}

uint64_t
client_patience_us(const struct client *client)
{
	return MIN_OF(barren_most_us(client),
	    BARREN_ALL_US - MIN_OF(BARREN_ALL_US, client->barren_us));
}

void
client_was_barren(struct client *client, uint64_t since_us)
{
	/* There is no other one sooner; and who slept did not wait for it. */
	client->barren_us +=
	    MIN_OF(MAX_OF(since_us, RETRY_US), barren_most_us(client));
}

bool
client_plays(const struct client *client, enum asf_kind kind)
{
	const struct prologue *prologue = &client->prologue;

	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (asf_set_has(prologue->streams, i) &&
		    prologue->header.streams[i].kind == kind)
			return true;
	return false;
}

uint32_t
client_reserve_ms(struct client *client, bool *full)
{
	uint32_t reserve_ms;

	pthread_mutex_lock(&client->mutex);
	reserve_ms = queue_reserve_ms(&client->queue);
	*full = client->queue.bytes > (size_t)64 * 1024 * 1024;
	pthread_mutex_unlock(&client->mutex);
	return reserve_ms;
}

void
client_count(struct client *client, bool is_udp)
{
	struct client_status *status = &client->status;
	uint64_t now_us = client_now_us();
	struct reorder_counts counts;
	struct assemble_counts assembled;

	if (client->reorder == NULL)
		return;
	reorder_counts(client->reorder, &counts);
	assembled = assemble_counts(client->assemble);
	pthread_mutex_lock(&client->mutex);
	if (now_us - client->rate_since_us >= US_PER_SECOND) {
		status->bit_rate_bps = client->rate_bytes * 8 * US_PER_SECOND /
				       (now_us - client->rate_since_us);
		client->rate_since_us = now_us;
		client->rate_bytes = 0;
	}
	status->is_udp = is_udp;
	status->packets = counts.packets;
	status->bytes = counts.bytes;
	status->lost = counts.lost;
	status->recovered = counts.recovered;
	status->reordered = counts.reordered;
	status->duplicates = counts.duplicates;
	status->jitter_us = counts.jitter_us;
	status->damaged = assembled.damaged;
	status->media_packets = assembled.packets;
	pthread_mutex_unlock(&client->mutex);
}

/* ---- the thread ---- */

/* Until there is something to do or it is AT_US. */
static void
wait_until(struct client *client, uint64_t at_us)
{
	struct timespec at = { .tv_sec = (time_t)(at_us / US_PER_SECOND),
		.tv_nsec = (long)(at_us % US_PER_SECOND * 1000) };

	pthread_mutex_lock(&client->mutex);
	while (
	    !client->stopping && !client->has_seek && client_now_us() < at_us)
		if (pthread_cond_timedwait(
			&client->filled, &client->mutex, &at) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&client->mutex);
}

/* While the viewer has enough, or nothing more is to come. */
static void
wait_while_idle(struct client *client)
{
	pthread_mutex_lock(&client->mutex);
	client->is_idle = true;
	while (!client->stopping && !client->has_seek &&
	       (client->status.has_ended ||
		   (!client->queue.is_buffering &&
		       queue_reserve_ms(&client->queue) >= PATIENT_MS)))
		pthread_cond_wait(&client->filled, &client->mutex);
	client->is_idle = false;
	pthread_mutex_unlock(&client->mutex);
}

static void
give_up(struct client *client)
{
	char why[sizeof(client->failure.sentence)];

	memcpy(why, client->failure.sentence, sizeof(why));
	failure_set(&client->failure, FAILURE_LOST,
	    "The connection to the server was lost and could not be restored. "
	    " %.150s",
	    why);
	client_set_state(client, CLIENT_FAILED);
}

/* It was lost: once more, unless it took too long.  False: given up. */
static bool
prepare_again(struct client *client, uint64_t begun_us)
{
	uint64_t again_us = begun_us + RETRY_US;
	bool full;

	/* What may be missing is not worth standing still for. */
	if (client_has_all(client) && client_reserve_ms(client, &full) == 0)
		client_end(client);
	wait_while_idle(client);
	if (!client->had_data) {
		client_set_state(client, CLIENT_FAILED);
		return false;
	}
	if (client->lost_us == 0)
		client->lost_us = client_now_us();
	if (client_patience_us(client) == 0 ||
	    MAX_OF(client_now_us(), again_us) >
		client->lost_us + client->options.give_up_ms * US_PER_MS) {
		give_up(client);
		return false;
	}
	client_set_state(client, CLIENT_RECONNECTING);
	wait_until(client, again_us);
	pthread_mutex_lock(&client->mutex);
	client->status.reconnects++;
	pthread_mutex_unlock(&client->mutex);
	return true;
}

static void
run_links(struct client *client)
{
	unsigned redirects = 0; /* of this try */

	while (!client_is_stopping(client)) {
		uint64_t begun_us = client_now_us();

		switch (link_run(client)) {
		case LINK_LOST:
			if (!prepare_again(client, begun_us))
				return;
			/* Whoever pointed there may know a better place. */
			client->place = &client->home;
			redirects = 0;
			break;
		case LINK_TO_TCP:
			client->udp = false;
			break;
		case LINK_REDIRECTED:
			if (++redirects <= REDIRECTS_MOST)
				break;
			failure_set(&client->failure, FAILURE_BAD_SERVER,
			    "The server points from one place to the other "
			    "without end.");
			client_set_state(client, CLIENT_FAILED);
			return;
		case LINK_FAILED:
			client_set_state(client, CLIENT_FAILED);
			return;
		case LINK_STOPPED:
		case LINK_GOES_ON:
			return;
		}
	}
}

static void *
run(void *context)
{
	struct client *client = context;

	client->opened_us = client->rate_since_us = client_now_us();
	if (client->failure.kind != FAILURE_NONE)
		client_set_state(client, CLIENT_FAILED);
	else
		run_links(client);
	return NULL;
}

/* ---- for other threads ---- */

static int
open_parts(struct client *client)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&client->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&client->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	queue_init(&client->queue, TARGET_LEAST_MS);
	client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return client->wake == -1 ? -errno : 0;
}

int
client_new(const struct client_options *options, client_changed *changed,
    void *context, struct client **out)
{
	struct client *client = calloc(1, sizeof(*client));
	int error;

	if (client == NULL)
		return -ENOMEM;
	client->options = *options;
	client->options.url = NULL;
	client->start_us = options->start_us;
	client->changed = changed;
	client->context = context;
	error = open_parts(client);
	if (error != 0)
		goto fail;
	client->place = &client->home;
	if (dialogue_parse_url(options->url, &client->home.url)) {
		client->udp =
		    client->home.url.udp && options->transport != CLIENT_TCP;
		client->tcp =
		    client->home.url.tcp && options->transport != CLIENT_UDP;
	}
	if (!client->udp && !client->tcp)
		failure_set(&client->failure, FAILURE_BAD_URL,
		    "This is not the address of a title on a server.");
	error = -pthread_create(&client->thread, NULL, run, client);
	if (error != 0)
		goto fail;
	client->has_thread = true;
	*out = client;
	return 0;

fail:
	client_free(client);
	return error;
}

void
client_free(struct client *client)
{
	if (client == NULL)
		return;
	if (client->has_thread) {
		pthread_mutex_lock(&client->mutex);
		client->stopping = true;
		pthread_cond_broadcast(&client->filled);
		pthread_mutex_unlock(&client->mutex);
		wake(client);
		pthread_join(client->thread, NULL);
	}
	queue_clear(&client->queue);
	assemble_free(client->assemble);
	landing_free(client->landing);
	reorder_free(client->reorder);
	if (client->wake > 0)
		close(client->wake);
	pthread_cond_destroy(&client->filled);
	pthread_mutex_destroy(&client->mutex);
	free(client);
}

void
client_seek(struct client *client, uint64_t position_us)
{
	pthread_mutex_lock(&client->mutex);
	client->has_seek = true;
	client->seek_us = position_us;
	queue_clear(&client->queue);
	client->status.has_ended = false;
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	wake(client);
}

/* With the mutex held: what there is to be had now; false: wait. */
static bool
find_taken(
    struct client *client, struct client_packet **out, enum client_taken *taken)
{
	if (client->interrupted) {
		*taken = CLIENT_INTERRUPTED;
		return true;
	}
	if (client->is_described && !client->told_prologue) {
		client->told_prologue = true;
		*taken = CLIENT_PROLOGUE;
		return true;
	}
	*out = client->is_described
		   ? queue_take(&client->queue, client_now_us())
		   : NULL;
	if (*out != NULL)
		*taken = CLIENT_PACKET;
	else if (client->queue.has_ended)
		*taken = CLIENT_END;
	else if (client->status.state == CLIENT_FAILED)
		*taken = CLIENT_FAILURE;
	else
		return false;
	return true;
}

/* With the mutex held: for something to be there, or it has run dry. */
static void
wait_filled(struct client *client, uint64_t since_us)
{
	uint64_t until_us =
	    since_us + queue_patience_us(&client->queue, since_us);
	struct timespec until = { .tv_sec = (time_t)(until_us / US_PER_SECOND),
		.tv_nsec = (long)(until_us % US_PER_SECOND * 1000) };

	if (client->queue.is_buffering || client->queue.is_gap ||
	    !client->is_described)
		pthread_cond_wait(&client->filled, &client->mutex);
	else if (pthread_cond_timedwait(
		     &client->filled, &client->mutex, &until) == ETIMEDOUT)
		/* Resuming, the server is asked to send faster. */
		queue_run_dry(&client->queue,
		    client->status.state == CLIENT_RECONNECTING);
}

enum client_taken
client_take(struct client *client, struct client_packet **out)
{
	uint64_t since_us = client_now_us();
	enum client_taken taken;
	bool was_buffering;

	pthread_mutex_lock(&client->mutex);
	while (!find_taken(client, out, &taken)) {
		was_buffering = client->queue.is_buffering;
		wait_filled(client, since_us);
		if (was_buffering || !client->queue.is_buffering)
			continue;
		pthread_mutex_unlock(&client->mutex);
		tell_changed(client);
		pthread_mutex_lock(&client->mutex);
	}
	if (client->is_idle)
		pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
	return taken;
}

void
client_interrupt(struct client *client, bool on)
{
	pthread_mutex_lock(&client->mutex);
	client->interrupted = on;
	pthread_cond_broadcast(&client->filled);
	pthread_mutex_unlock(&client->mutex);
}

void
client_await_interrupt(struct client *client)
{
	pthread_mutex_lock(&client->mutex);
	while (!client->interrupted)
		pthread_cond_wait(&client->filled, &client->mutex);
	pthread_mutex_unlock(&client->mutex);
}

const struct prologue *
client_prologue(struct client *client)
{
	bool is_described;

	pthread_mutex_lock(&client->mutex);
	is_described = client->is_described;
	pthread_mutex_unlock(&client->mutex);
	return is_described ? &client->prologue : NULL;
}

struct asf_set
client_streams(struct client *client)
{
	struct asf_set streams;

	pthread_mutex_lock(&client->mutex);
	streams = client->streams;
	pthread_mutex_unlock(&client->mutex);
	return streams;
}

void
client_status(struct client *client, struct client_status *out)
{
	pthread_mutex_lock(&client->mutex);
	client->status.is_buffering = client->queue.is_buffering;
	client->status.buffered_percent = queue_percent(&client->queue);
	client->status.buffered_us =
	    queue_reserve_ms(&client->queue) * US_PER_MS;
	*out = client->status;
	pthread_mutex_unlock(&client->mutex);
}
