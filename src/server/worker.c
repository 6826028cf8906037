/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker: one loop on one thread.  It accepts, looks after time limits,
 * listens to the master and to receiver reports, and has the sender send
 * what is due behind each turn.
 */
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/adopt.h"
#include "server/blame.h"
#include "server/connection.h"
#include "server/fdstore.h"
#include "server/orphan.h"
#include "server/refusal.h"
#include "server/sandbox.h"
#include "server/sender.h"
#include "server/session.h"
#include "server/titles.h"
#include "server/trace.h"
#include "wire/rtp.h"

#define HEARTBEAT_US (500 * US_PER_MS)
#define SWEEP_US US_PER_SECOND
#define PLACEMENT_US (50 * US_PER_MS)
/* Who has not said for so long that he accepts is not counted on. */
#define ACCEPTING_US (3 * PLACEMENT_US)
/* What a connection that does not play yet is counted as, for placement. */
#define EXPECTED_BPS 300000
/* Receiver reports read in one go. */
#define REPORTS_PER_TURN 64
#define REPORT_MAX 1500
/* Room that is made for connections beforehand: 128 KiB of kernel memory. */
#define DESCRIPTORS_MAX 16384u
/* What a read may still take when everything else has ended. */
#define READERS_END_MS 500

struct listener {
	struct loop_watch watch;
	int fd;
	struct worker *worker;
};

struct rtcp_socket {
	struct loop_watch watch;
	int fd;
	struct worker *worker;
};

struct worker {
	struct lane lane;
	struct config config;
	struct sender *sender;
	struct refusals *refusals;
	struct listener listeners[WORKER_LISTENERS_MAX];
	unsigned listener_count;
	bool listening;
	struct rtcp_socket rtcp[2];
	struct loop_watch channel, reader;
	struct orphan orphan;
	struct loop_timer heartbeat, sweep, placement;
	struct adopt_given *given; /* by record, until adoption */
	bool closing; /* accepts no more, ends with its last connection */
	bool retiring; /* was told to leave */
	bool spare; /* nobody has told us yet that it is our turn */
	uint64_t put_off; /* messages, as told in the log */
};

/* --- accepting, and who shall ----------------------------------------------
 */

static void
stop_listening(struct worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++)
		loop_remove(worker->lane.loop, &worker->listeners[i].watch);
	worker->listening = false;
	table_counter_set(
	    worker->lane.table, worker->lane.number, TABLE_ACCEPTING_US, 0);
}

static uint64_t
load_of(const struct table *table, uint32_t lane)
{
	uint64_t connections = table_counter(table, lane, TABLE_CONNECTIONS);
	uint64_t committed = table_counter(table, lane, TABLE_COMMITTED_BPS);

	return MAX_OF(committed, connections * EXPECTED_BPS);
}

static bool
is_accepting(const struct table *table, uint32_t lane, uint64_t now_us)
{
	return table_counter(table, lane, TABLE_ACCEPTING_US) + ACCEPTING_US >
	       now_us;
}

/*
 * A worker that is more than 1/8 above the mean of the living leaves new
 * connections to the others; the least loaded never does, nor does anybody
 * while nobody else accepts: who once left them learns only in his next
 * placement that it is his turn, and who stands still never does.
 */
static bool
others_should_accept(const struct worker *worker)
{
	const struct lane *lane = &worker->lane;
	uint64_t now_us = loop_now_us(lane->loop);
	uint64_t mine = load_of(lane->table, lane->number);
	uint64_t sum = 0, least = UINT64_MAX, load;
	struct table_info info;
	uint32_t living = 0;
	bool covered = false;

	table_info(lane->table, &info);
	for (uint32_t number = 0; number < info.limits.lanes; number++) {
		if (number != lane->number &&
		    table_lane_pid(lane->table, number) == 0)
			continue;
		load = load_of(lane->table, number);
		least = MIN_OF(least, load);
		sum += load;
		living++;
		covered |= number != lane->number &&
			   is_accepting(lane->table, number, now_us);
	}
	/* Below some connections' worth nothing is gained by it. */
	return covered && mine > least + 8 * EXPECTED_BPS &&
	       mine * living > sum + sum / 8;
}

/* Until the next placement nobody is accepted who cannot even be refused. */
static void
refuse_one(struct worker *worker, const struct listener *listener, int error)
{
	if (error != -EMFILE && error != -ENFILE && error != -ENOMEM &&
	    error != -ENOBUFS) {
		if (error != -EAGAIN && error != -ECONNABORTED &&
		    error != -EINTR)
			log_warning(
			    "worker", "accept failed: %s", strerror(-error));
		return;
	}
	log_shortage("worker", "connections are refused: %s", strerror(-error));
	if (!refusals_accept(worker->refusals, listener->fd))
		stop_listening(worker);
}

static void
accept_one(void *context, uint32_t events)
{
	struct listener *listener = context;
	struct lane *lane = &listener->worker->lane;
	union sock_address peer, local;
	int fd, error;

	(void)events;
	/* One per wake-up: the others have theirs. */
	fd = sock_accept(listener->fd, &peer, &local);
	if (fd < 0) {
		refuse_one(listener->worker, listener, fd);
		return;
	}
	error = connection_open(lane, fd, &peer, &local);
	/* At once: in a burst the next one comes before the next placement. */
	if (others_should_accept(listener->worker))
		stop_listening(listener->worker);
	if (error == 0)
		return;
	log_shortage("worker", "connections are refused: %s",
	    error == -EUSERS ? "max_connections is reached" : strerror(-error));
	refusals_take(listener->worker->refusals, fd);
	if (refusals_full(listener->worker->refusals))
		stop_listening(listener->worker);
}

static int
start_listening(struct worker *worker)
{
	int error = 0;

	if (worker->listening || worker->closing)
		return 0;
	for (unsigned i = 0; i < worker->listener_count && error == 0; i++)
		error = loop_add(worker->lane.loop, &worker->listeners[i].watch,
		    worker->listeners[i].fd, EPOLLIN | EPOLLEXCLUSIVE,
		    accept_one, &worker->listeners[i]);
	worker->listening = true;
	return error;
}

static bool
is_empty(const struct worker *worker)
{
	const struct lane *lane = &worker->lane;

	return table_counter(lane->table, lane->number, TABLE_CONNECTIONS) == 0;
}

/*
 * Accept no more; others take what waits (place()).  Kept open a listener would
 * not go when the master closes it, and nobody would accept there.
 */
static void
close_listeners(struct worker *worker)
{
	stop_listening(worker);
	for (unsigned i = 0; i < worker->listener_count; i++)
		close(worker->listeners[i].fd);
	worker->listener_count = 0;
	worker->closing = true;
}

static void
place(void *context, uint64_t now_us)
{
	struct worker *worker = context;
	struct lane *lane = &worker->lane;
	int error = 0;

	if (worker->closing && is_empty(worker))
		loop_stop(lane->loop, 0);
	if (others_should_accept(worker) || refusals_full(worker->refusals))
		stop_listening(worker);
	else
		error = start_listening(worker);
	if (worker->listening)
		table_counter_set(
		    lane->table, lane->number, TABLE_ACCEPTING_US, now_us);
	/* A wake-up that went to one who stands still was the only one. */
	for (unsigned i = 0; i < worker->listener_count && worker->listening;
	     i++)
		accept_one(&worker->listeners[i], 0);
	if (error != 0)
		log_error("worker", "cannot watch the listener: %s",
		    strerror(-error));
	loop_timer_set(lane->loop, &worker->placement, now_us + PLACEMENT_US,
	    place, worker);
}

/* --- receiver reports ------------------------------------------------------
 */

static void
take_report(struct lane *lane, const union sock_address *from,
    const uint8_t *data, size_t size)
{
	struct rtcp_summary summary;
	struct session *session;

	if (!rtcp_parse(data, size, &summary) || summary.report_count == 0)
		return;
	session = session_find_ssrc(lane, summary.reports[0].ssrc);
	if (session == NULL || session->cold.transport != TABLE_UDP ||
	    !sock_address_same_host(from, &session->cold.peer))
		return;
	session_report(session, &summary);
}

static void
read_reports(void *context, uint32_t events)
{
	struct rtcp_socket *socket = context;
	uint8_t data[REPORT_MAX];
	union sock_address from;
	socklen_t length;
	ssize_t size;

	(void)events;
	for (unsigned i = 0; i < REPORTS_PER_TURN; i++) {
		length = sizeof(from);
		size = recvfrom(socket->fd, data, sizeof(data), MSG_DONTWAIT,
		    &from.any, &length);
		if (size == -1)
			return;
		take_report(&socket->worker->lane, &from, data, (size_t)size);
	}
}

/* --- what the sender leaves to us ------------------------------------------
 */

static void
handle_outcome(struct session *session, enum sender_outcome outcome)
{
	static const enum session_cause causes[] = {
		[SENDER_TOO_SLOW] = SESSION_TOO_SLOW,
		[SENDER_FILE_FAILED] = SESSION_FILE_FAILED,
		[SENDER_FILE_CHANGED] = SESSION_FILE_CHANGED,
		[SENDER_BROKEN] = SESSION_CONNECTION_CLOSED,
	};

	if (outcome == SENDER_BYE) {
		connection_say_bye(session);
	} else if (outcome == SENDER_BROKEN ||
		   session->cold.transport == TABLE_TCP) {
		connection_close(connection_of(session), causes[outcome]);
	} else {
		session_bye_udp(session); /* else the viewer would wait */
		connection_end_session(session, causes[outcome]);
	}
}

static void
after_turn(void *context, uint64_t now_us)
{
	struct worker *worker = context;

	sender_run(worker->sender, now_us);
	if (worker->lane.stalled != NULL)
		connection_resume_stalled(&worker->lane);
}

/* --- once in a while --------------------------------------------------------
 */

static void
beat(void *context, uint64_t now_us)
{
	struct worker *worker = context;
	struct lane *lane = &worker->lane;

	table_counter_set(
	    lane->table, lane->number, TABLE_HEARTBEAT_US, now_us);
	loop_timer_set(lane->loop, &worker->heartbeat, now_us + HEARTBEAT_US,
	    beat, worker);
}

/* What the machine has too little of, said by those who found out. */
static void
tell_shortages(struct worker *worker, const struct reader_trouble *reading)
{
	struct transport_counts sent;

	if (reading->stuck > 0)
		log_shortage(
		    "worker", "reads hang for seconds: a disk does not answer");
	if (reading->lacks_memory)
		log_shortage("worker", "no memory to read ahead");
	transport_read_counts(worker->lane.transport, &sent);
	if (sent.put_off != worker->put_off)
		log_shortage("worker", "packets are sent later: %s",
		    sent.put_off_error == EAGAIN
			? "the network takes less"
			: strerror(sent.put_off_error));
	worker->put_off = sent.put_off;
}

static void
sweep(void *context, uint64_t now_us)
{
	struct worker *worker = context;
	struct lane *lane = &worker->lane;
	struct reader_trouble reading = reader_sweep(lane->reader);
	uint32_t used =
	    table_high_water(lane->table, lane->number, TABLE_CONNECTION);

	for (uint32_t record = 0; record < used; record++)
		if (lane->connections[record] != NULL)
			connection_sweep(lane->connections[record], now_us);
	titles_sweep(lane->titles, now_us);
	lane_tell_again(lane);
	tell_shortages(worker, &reading);
	log_flush();
	loop_timer_set(
	    lane->loop, &worker->sweep, now_us + SWEEP_US, sweep, worker);
}

static void
collect(void *context, uint32_t events)
{
	struct worker *worker = context;

	(void)events;
	reader_collect(worker->lane.reader);
}

/* --- the master's word ------------------------------------------------------
 */

/* What is accepted behind this, in the loop's last turn, nobody would end. */
static void
accept_no_more(struct worker *worker)
{
	stop_listening(worker);
	loop_timer_clear(worker->lane.loop, &worker->placement);
}

static void
end_everything(struct worker *worker)
{
	struct lane *lane = &worker->lane;

	accept_no_more(worker);
	for (uint32_t record = 0; record < lane->connection_slots; record++)
		if (lane->connections[record] != NULL)
			connection_close(
			    lane->connections[record], SESSION_STOPPED);
	loop_stop(lane->loop, 0);
}

/* All that goes on is in the table and with the master: a successor adopts. */
static void
retire(struct worker *worker)
{
	struct lane *lane = &worker->lane;

	accept_no_more(worker);
	for (uint32_t record = 0; record < lane->connection_slots; record++)
		if (lane->connections[record] != NULL)
			connection_leave(lane->connections[record]);
	loop_stop(lane->loop, 0);
}

static int serve(struct worker *worker, bool fault);

static void
take_given(struct worker *worker, const struct fdstore_message *message, int fd)
{
	struct adopt_given *given;

	if (worker->given == NULL ||
	    message->connection >= worker->lane.connection_slots) {
		close(fd);
		return;
	}
	worker->spare = false;
	given = &worker->given[message->connection];
	if (given->fd != -1)
		close(given->fd);
	*given = (struct adopt_given){ message->cookie, fd };
}

static void
take_moved(struct worker *worker, int fd)
{
	int error = connection_take(&worker->lane, fd);

	if (error != 0)
		log_warning("worker", "connection not taken over: %s",
		    strerror(-error));
}

static void
take_word(struct worker *worker, const struct fdstore_message *message, int fd)
{
	int error;

	switch (message->kind) {
	case FDSTORE_GIVE:
		take_given(worker, message, fd);
		return;
	case FDSTORE_TAKE:
		take_moved(worker, fd);
		return;
	case FDSTORE_GIVEN:
		error = serve(worker, message->connection != 0);
		if (error != 0)
			loop_stop(worker->lane.loop, error);
		break;
	case FDSTORE_STOP:
		end_everything(worker);
		break;
	case FDSTORE_RETIRE:
		worker->retiring = true;
		break;
	case FDSTORE_CLOSE:
		close_listeners(worker);
		break;
	case FDSTORE_DRAIN:
	case FDSTORE_UNDRAIN:
		worker->lane.draining = message->kind == FDSTORE_DRAIN;
		break;
	case FDSTORE_LOG:
		log_set_level((enum log_level)message->connection);
		if (fd != -1)
			log_take(fd);
		return;
	default:
		break;
	}
	if (fd != -1)
		close(fd);
}

/* The viewers' sessions are in our hands alone; they go on. */
static void
become_orphan(struct worker *worker)
{
	struct lane *lane = &worker->lane;

	log_error("worker",
	    "the master is gone, its worker serves on lane=%" PRIu32
	    " sessions=%" PRIu64,
	    lane->number,
	    table_counter(lane->table, lane->number, TABLE_SESSIONS));
	loop_remove(lane->loop, &worker->channel);
	close(lane->channel);
	lane->channel = -1;
	lane->orphan = true;
	lane_tell_again(lane);
	worker->orphan.closing = worker->closing;
	worker->orphan.listener_count = worker->listener_count;
	for (unsigned i = 0; i < worker->listener_count; i++)
		worker->orphan.listeners[i] = worker->listeners[i].fd;
	orphan_begin(&worker->orphan);
}

static void
listen_to_master(void *context, uint32_t events)
{
	struct worker *worker = context;
	struct fdstore_message message;
	int fd, got;

	(void)events;
	while (
	    (got = fdstore_receive(worker->lane.channel, &message, &fd)) == 1)
		take_word(worker, &message, fd);
	/* Without a master nobody would follow us. */
	if (got != 0 && worker->retiring)
		retire(worker);
	if (got != 0)
		return;
	worker->retiring = false;
	if (worker->given == NULL) {
		become_orphan(worker);
	} else if (worker->spare) {
		loop_stop(worker->lane.loop, 0);
	} else {
		loop_remove(worker->lane.loop, &worker->channel);
		orphan_wait(&worker->orphan);
	}
}

static int
watch_channel(struct worker *worker)
{
	return loop_add(worker->lane.loop, &worker->channel,
	    worker->lane.channel, EPOLLIN, listen_to_master, worker);
}

static void
have_master(void *context)
{
	if (watch_channel(context) != 0)
		become_orphan(context);
}

/* The master died while a lane changed hands. */
static void
have_waited(void *context, bool ours)
{
	struct worker *worker = context;
	int error;

	if (!ours) {
		loop_stop(worker->lane.loop, 0);
		return;
	}
	if ((error = serve(worker, false)) != 0)
		loop_stop(worker->lane.loop, error);
	else
		become_orphan(worker);
}

/* --- birth ------------------------------------------------------------------
 */

static void
name_process(uint32_t lane, const char *what)
{
	char name[16];

	snprintf(name, sizeof(name), "vodd %s %" PRIu32, what, lane);
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

static int
allocate(struct worker *worker)
{
	struct lane *lane = &worker->lane;

	lane->session_slots = table_capacity(lane->table, TABLE_SESSION);
	lane->connection_slots = table_capacity(lane->table, TABLE_CONNECTION);
	lane->sessions = calloc(lane->session_slots, sizeof(struct session *));
	lane->connections =
	    calloc(lane->connection_slots, sizeof(struct connection *));
	lane->input = malloc(LANE_INPUT_BYTES);
	lane->reply = malloc(TABLE_LARGE_OUTBOX_BYTES);
	worker->given = calloc(lane->connection_slots, sizeof(*worker->given));
	if (lane->sessions == NULL || lane->connections == NULL ||
	    lane->input == NULL || lane->reply == NULL || worker->given == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < lane->connection_slots; i++)
		worker->given[i].fd = -1;
	return 0;
}

/*
 * While there are threads the kernel takes its time, many milliseconds, for
 * each doubling of the table of descriptors.
 */
static void
make_room_for_descriptors(const struct lane *lane)
{
	uint64_t wanted = MIN_OF(lane->connection_slots, DESCRIPTORS_MAX);
	struct rlimit allowed = { 0, 0 };
	int fd;

	getrlimit(RLIMIT_NOFILE, &allowed);
	wanted = MIN_OF(wanted, MAX_OF(allowed.rlim_cur, 1) - 1);
	fd = fcntl(lane->channel, F_DUPFD_CLOEXEC, (int)wanted);
	if (fd != -1)
		close(fd);
}

static int
create_parts(struct worker *worker)
{
	struct lane *lane = &worker->lane;
	const struct config *config = &worker->config;
	int error;

	if ((error = allocate(worker)) != 0 ||
	    (error = loop_new(&lane->loop)) != 0 ||
	    (error = refusals_new(lane->loop, &worker->refusals)) != 0 ||
	    (error = transport_new(lane->pairs, config->udp_segmentation,
		 &lane->transport)) != 0 ||
	    (error = titles_new(lane, &lane->titles)) != 0 ||
	    (error = sender_new(lane, handle_outcome, &worker->sender)) != 0)
		return error;
	trace_answer(&lane->channel);
	make_room_for_descriptors(lane);
	/* Before there are threads. */
	if ((error = sandbox_enter(lane->media_root)) != 0)
		return error;
	return reader_new((unsigned)config->reader_threads,
	    (size_t)config->read_pool_bytes, &lane->reader);
}

static int
watch_rtcp(struct worker *worker)
{
	int error = 0;

	for (size_t i = 0; i < 2 && error == 0; i++) {
		struct rtcp_socket *socket = &worker->rtcp[i];

		if (worker->lane.pairs[i].family == 0)
			continue;
		socket->worker = worker;
		socket->fd = worker->lane.pairs[i].rtcp;
		error = loop_add(worker->lane.loop, &socket->watch, socket->fd,
		    EPOLLIN, read_reports, socket);
	}
	return error;
}

/* Until the lane is ours only the master is listened to. */
static int
prepare(struct worker *worker)
{
	const struct fdstore_message prepared = { .kind = FDSTORE_PREPARED };
	struct lane *lane = &worker->lane;
	int error;

	error = watch_channel(worker);
	return error != 0 ? error : fdstore_send(lane->channel, &prepared, -1);
}

static int
watch_everything(struct worker *worker)
{
	struct lane *lane = &worker->lane;
	uint64_t now_us = clock_monotonic_us();
	int error;

	loop_after(lane->loop, after_turn, worker);
	if ((error = loop_add(lane->loop, &worker->reader,
		 reader_fd(lane->reader), EPOLLIN, collect, worker)) != 0 ||
	    (error = watch_rtcp(worker)) != 0 ||
	    (error = start_listening(worker)) != 0)
		return error;
	beat(worker, now_us);
	sweep(worker, now_us);
	place(worker, now_us);
	return 0;
}

/* The lane is ours from here on. */
static int
serve(struct worker *worker, bool fault)
{
	const struct fdstore_message ready = { .kind = FDSTORE_READY };
	struct lane *lane = &worker->lane;
	int error;

	if (worker->given == NULL)
		return 0; /* said twice */
	if ((error = table_lane_open(lane->table, lane->number)) != 0)
		return error;
	name_process(lane->number, "worker");
	orphan_own_lane(&worker->orphan);
	blame_watch_faults(lane);
	adopt_lane(lane, worker->given, fault);
	free(worker->given);
	worker->given = NULL;
	if ((error = watch_everything(worker)) != 0)
		return error;
	/* A master who has died just now is noticed where he is listened to. */
	(void)fdstore_send(lane->channel, &ready, -1);
	adopt_go_on(lane);
	return 0;
}

static void
take_birth(struct worker *worker, const struct worker_birth *birth)
{
	struct lane *lane = &worker->lane;
	struct table_info info;

	table_info(birth->table, &info);

	name_process(birth->lane, birth->spare ? "spare" : "worker");
	worker->config = *birth->config;
	worker->spare = birth->spare;
	lane->config = &worker->config;
	lane->table = birth->table;
	lane->number = birth->lane;
	lane->media_root = birth->media_root;
	lane->channel = birth->channel;
	lane->hash_seed = birth->hash_seed;
	memcpy(lane->pairs, birth->pairs, sizeof(lane->pairs));
	worker->orphan = (struct orphan){ .lane = lane,
		.door = birth->door,
		.master = birth->master,
		.master_pid = info.master_pid,
		.adopted = have_master,
		.waited = have_waited,
		.context = worker };
	worker->listener_count = birth->listener_count;
	for (unsigned i = 0; i < birth->listener_count; i++) {
		worker->listeners[i].fd = birth->listeners[i];
		worker->listeners[i].worker = worker;
	}
}

/*
 * A reader waits for a disk that does not answer.  Until it does, not even
 * SIGKILL makes an end of its thread, which keeps descriptors open: what others
 * are waiting for is closed here.
 */
static _Noreturn void
leave_reader_behind(struct worker *worker, int status)
{
	struct lane *lane = &worker->lane;

	log_warning("worker", "lane %" PRIu32 ": a read hangs, left behind",
	    lane->number);
	for (unsigned i = 0; i < worker->listener_count; i++)
		close(worker->listeners[i].fd);
	for (size_t i = 0; i < 2; i++)
		sock_pair_close(&lane->pairs[i]);
	if (lane->channel != -1)
		close(lane->channel);
	if (worker->orphan.door != -1)
		close(worker->orphan.door);
	_exit(status);
}

/* Only for those who look for leaks: the process ends here anyway. */
static void
free_parts(struct worker *worker)
{
	struct lane *lane = &worker->lane;

	reader_free(lane->reader);
	sender_free(worker->sender);
	titles_free(lane->titles);
	transport_free(lane->transport);
	refusals_free(worker->refusals);
	loop_free(lane->loop);
	free(lane->sessions);
	free(lane->connections);
	free(lane->input);
	free(lane->reply);
	free(worker->given);
	free(worker);
}

int
worker_run(const struct worker_birth *birth)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int error;

	if (worker == NULL)
		return 1;
	take_birth(worker, birth);
	error = create_parts(worker);
	if (error == 0)
		error = prepare(worker);
	if (error == 0)
		error = loop_run(worker->lane.loop);
	if (error != 0)
		log_error("worker", "lane %" PRIu32 ": %s", birth->lane,
		    strerror(-error));
	table_lane_unlock(birth->table, birth->lane);
	log_flush();
	if (worker->lane.reader != NULL &&
	    !reader_stop(worker->lane.reader, READERS_END_MS))
		leave_reader_behind(worker, error == 0 ? 0 : 1);
	free_parts(worker);
	return error == 0 ? 0 : 1;
}
