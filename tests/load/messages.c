/*
 * Sender numbers count over all processes. A process has the senders whose clients it has; their numbers are
 * contiguous. One array of trackers, with a row for each receiver, records what each receiver has received from each
 * sender.
 */
#include "tests/load/messages.h"

#include <stdio.h>

#include "common/base/base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/load/load.h"
#include "tests/load/message.h"

#define SETTLED_CHECK_MAX 1000000 /* more trackers than this are not checked several times per second */
#define RING_MIN 64
#define RING_MAX (1u << 20)
#define JOIN_ID (UINT64_C(1) << 40) /* id of the acknowledgement of "join"; messages have smaller ids */
#define HEAD_MAX 4096

struct sender {
	struct load_client *client;
	uint32_t number;
	uint32_t next;	      /* next sequence number */
	uint32_t outstanding; /* closed loop: messages that are not yet answered */
	uint64_t progress;    /* loop time in ms of the last answer, or of the first message after a pause */
	uint32_t ring;	      /* size of the rings, a power of two */
	uint64_t *due;	      /* when each was due, by sequence; for acknowledgements */
	uint32_t *missing;    /* closed loop, by sequence: receivers in this process that have not received it */
	uint32_t oldest;      /* sequence: older messages are answered or given up */
};

struct messages {
	struct load *load;
	uint64_t all;	/* senders in all processes */
	uint64_t first; /* number of the first sender in this process */
	uint64_t count; /* senders in this process */
	struct sender *senders;
	uint64_t row; /* trackers per receiver */
	struct tracker *trackers;
	uint32_t run;	/* id of the run */
	uint64_t ready; /* ready receivers in this process */
	uint64_t senders_ready;
	uint64_t *room_ready; /* ready receivers of each room, from the first room with a client in this process */
	uint64_t first_room;
	struct pace pace;
	uint64_t turn; /* open loop: the next sender */
	bool sending;
	struct buffer head;
	uint8_t *body; /* the payload and the end of the packet */
	size_t body_len;
};

/* ------------------------------------------------------------------- who */

static uint64_t
number_of(const struct load *load, const struct load_client *c)
{
	return load->first + (uint64_t)(c - load->clients);
}

static struct sender *
sender_of(struct messages *m, const struct load_client *c)
{
	uint64_t number;

	if (!messages_is_sender(m->load->options, number_of(m->load, c), &number))
		return NULL;
	return &m->senders[number - m->first];
}

/* The sender with this number; NULL if it is in another process. */
static struct sender *
messages_sender_here(struct messages *m, uint32_t number)
{
	return number >= m->first && number - m->first < m->count ? &m->senders[number - m->first] : NULL;
}

static uint64_t
room_of(const struct load *load, uint64_t client)
{
	return client / load->options->room_size;
}

/* True if the client must receive the messages of the sender. */
static bool
messages_expects(const struct load *load, uint64_t client, uint64_t sender)
{
	const struct load_options *o = load->options;
	uint64_t from = sender * o->clients / messages_senders(o);

	switch (load->scenario->audience) {
	case AUDIENCE_SELF:
		return from == client;
	case AUDIENCE_ROOM:
		return room_of(load, from) == room_of(load, client);
	default:
		return true;
	}
}

static struct tracker *
tracker_of(struct messages *m, const struct load_client *c, uint64_t sender)
{
	uint64_t at = (uint64_t)(c - m->load->clients);

	return &m->trackers[at * m->row + (m->row == 1 ? 0 : sender)];
}

/* The number of receivers in this process that a message of the sender has. */
static uint64_t
receivers(const struct messages *m, const struct sender *sender)
{
	switch (m->load->scenario->audience) {
	case AUDIENCE_SELF:
		return 1;
	case AUDIENCE_ROOM:
		return m->room_ready[room_of(m->load, number_of(m->load, sender->client)) - m->first_room];
	default:
		return m->ready;
	}
}

/* ------------------------------------------------------------------- sending */

static void
sender_grow_ring(struct sender *sender)
{
	uint32_t old = sender->ring;

	if (old >= RING_MAX)
		return;
	sender->ring *= 2;
	sender->due = mem_realloc(sender->due, sender->ring * sizeof *sender->due);
	/* an entry that was at i is now at i or at i + old, by its sequence */
	for (uint32_t i = 0; i < old; i++)
		sender->due[i + old] = sender->due[i];
}

/* Writes the part before the payload: "42/nsp,7["name","room",". */
static void
sender_write_head(struct messages *m, const struct sender *sender, uint32_t sequence)
{
	const struct load_options *o = m->load->options;
	const char *nsp = sender->client->client.target->nsp;
	struct buffer *head = &m->head;

	buffer_reset(head);
	buffer_add_text(head, o->binary ? TEXT("451-") : TEXT("42"));
	if (nsp[1] != '\0') {
		buffer_add_text(head, text_from(nsp));
		buffer_add_byte(head, ',');
	}
	if (m->load->scenario->by_ack)
		buffer_add_number(head, sequence);
	buffer_add_text(head, TEXT("[\""));
	buffer_add_text(head, text_from(o->event));
	if (m->load->scenario->audience == AUDIENCE_ROOM) {
		buffer_add_text(head, TEXT("\",\"r"));
		buffer_add_number(head, (int64_t)room_of(m->load, number_of(m->load, sender->client)));
	}
	buffer_add_text(head, o->binary ? TEXT("\",{\"_placeholder\":true,\"num\":0}]") : TEXT("\",\""));
}

static void
sender_send_one(struct messages *m, struct sender *sender, uint64_t due)
{
	struct load *load = m->load;
	struct client *c = &sender->client->client;
	struct message message = {m->run, sender->number, sender->next, due};

	if (load->scenario->by_ack &&
		sender->next - tracker_of(m, sender->client, sender->number)->next >= sender->ring)
		sender_grow_ring(sender);
	if (sender->due)
		sender->due[sender->next & (sender->ring - 1)] = due;
	if (sender->missing)
		sender->missing[sender->next & (sender->ring - 1)] = (uint32_t)receivers(m, sender);
	message_write(&message, m->body);
	sender_write_head(m, sender, sender->next);
	if (load->options->binary) {
		client_send(c, buffer_text(&m->head), TEXT_NONE);
		client_send_binary(c, m->body, load->options->size);
	} else {
		client_send(c, buffer_text(&m->head), text_of((const char *)m->body, m->body_len));
	}
	sender->next++;
	sender->outstanding++;
	atomic_store_explicit(&load->board->sent[sender->number], sender->next, memory_order_release);
	if (load->measuring) {
		load->part->sent++;
		series_second(&load->part->series, (load->now - load->board->run_from) / 1000000000)->messages++;
	}
}

/* Closed loop: sends until --in-flight messages are under way. */
static void
sender_fill(struct messages *m, struct sender *sender)
{
	sender->progress = m->load->loop.now;
	while (m->sending && m->pace.ev == NULL && sender->client->ready &&
		sender->client->client.state == CLIENT_JOINED && sender->outstanding < m->load->options->in_flight)
		sender_send_one(m, sender, board_now());
}

static void
messages_on_due(void *arg, uint64_t when)
{
	struct messages *m = arg;
	struct sender *sender = NULL;

	for (uint64_t i = 0; i < m->count && m->senders_ready > 0 && sender == NULL; i++) {
		struct sender *next = &m->senders[m->turn];

		m->turn = m->turn + 1 == m->count ? 0 : m->turn + 1;
		if (next->client->ready && next->client->client.state == CLIENT_JOINED)
			sender = next;
	}
	if (m->load->measuring && board_now() - when > LATE_NS)
		m->load->part->late++;
	if (sender)
		sender_send_one(m, sender, when);
	else if (m->load->measuring)
		m->load->part->unanswered++; /* no sender was connected */
}

void
messages_begin(struct load *load)
{
	struct messages *m = load->messages;
	double rate = (double)load->options->message_rate;

	m->sending = true;
	if (rate > 0 && m->count > 0) {
		double own = rate * (double)m->count / (double)m->all;
		/* the processes send alternately, not at the same moments */
		uint64_t offset = (uint64_t)(1e9 / rate * (double)load->number);

		must(pace_start(&m->pace, load->loop.ev, load->board->send_from + offset, own, messages_on_due, m) ==
			0);
	}
	for (uint64_t i = 0; i < m->count; i++)
		sender_fill(m, &m->senders[i]);
}

void
messages_stop(struct load *load)
{
	pace_finish(&load->messages->pace, load->board->run_until);
	load->messages->sending = false;
}

/* Stops waiting for the messages that are under way. */
static void
sender_give_up(struct sender *sender)
{
	sender->outstanding = 0;
	sender->oldest = sender->next;
}

void
messages_expire(struct load *load)
{
	struct messages *m = load->messages;

	if (m->pace.ev != NULL || !m->sending)
		return;
	for (uint64_t i = 0; i < m->count; i++) {
		struct sender *sender = &m->senders[i];

		if (sender->outstanding == 0 || load->loop.now - sender->progress < load->options->timeout_ms)
			continue;
		if (load->measuring)
			load->part->unanswered += sender->outstanding;
		sender_give_up(sender);
		sender_fill(m, sender);
	}
}

/* ----------------------------------------------------------------- receiving */

static void
sender_answered(struct messages *m, struct sender *sender, uint32_t sequence)
{
	sender->progress = m->load->loop.now;
	if (sequence < sender->oldest || sender->outstanding == 0) /* already given up */
		return;
	sender->outstanding--;
	if (m->pace.ev == NULL)
		sender_fill(m, sender);
}

/* One receiver has received the message. Does nothing if nobody waits for the message any longer. */
static void
sender_one_received(struct messages *m, struct sender *sender, uint32_t sequence)
{
	uint32_t *missing;

	if (sender->missing == NULL || sequence < sender->oldest || sender->next - sequence > sender->ring)
		return;
	missing = &sender->missing[sequence & (sender->ring - 1)];
	if (*missing > 0 && --*missing == 0)
		sender_answered(m, sender, sequence);
}

/* A receiver has gone: messages no longer wait for it. */
static void
messages_without_receiver(struct messages *m, const struct load_client *c)
{
	if (m->load->scenario->audience <= AUDIENCE_SELF)
		return;
	for (uint64_t i = 0; i < m->count; i++) {
		struct sender *sender = &m->senders[i];
		const struct tracker *t = tracker_of(m, c, sender->number);
		uint32_t until = sender->next;

		if (sender->outstanding == 0 || !messages_expects(m->load, number_of(m->load, c), sender->number))
			continue;
		if (until - sender->oldest > sender->ring)
			sender->oldest = until - sender->ring;
		while (sender->oldest < until && sender->missing &&
			sender->missing[sender->oldest & (sender->ring - 1)] == 0)
			sender->oldest++;
		for (uint32_t sequence = sender->oldest; sequence < until; sequence++)
			if (!tracker_has(t, sequence))
				sender_one_received(m, sender, sequence);
	}
}

static bool
is_far(const struct load *load, const struct load_client *c)
{
	return !load->scenario->far_only || load->options->url_count == 1 || c->client.target != &load->targets[0];
}

static void
count_received(struct load *load)
{
	if (!load->measuring)
		return;
	load->part->received++;
	series_second(&load->part->series, (load->now - load->board->run_from) / 1000000000)->deliveries++;
}

void
messages_on_event(struct load *load, struct load_client *c, const uint8_t *bytes, size_t n)
{
	struct messages *m = load->messages;
	const uint8_t *at = m ? message_find(bytes, n, m->run) : NULL;
	struct message message;
	struct sender *sender;

	if (at == NULL || !message_read(&message, at, n - (size_t)(at - bytes)))
		return; /* an event of the application itself */
	if (message.sender >= m->all ||
		message.sequence >= atomic_load_explicit(&load->board->sent[message.sender], memory_order_acquire) ||
		!messages_expects(load, number_of(load, c), message.sender)) {
		load_error(load, LOAD_ERROR_PROTOCOL, "a message that was not sent to this client");
		return;
	}
	count_received(load);
	if (!tracker_take(tracker_of(m, c, message.sender), message.sequence, &load->part->tracked))
		return;
	load->part->replayed += c->lost_at != 0;
	if (is_far(load, c))
		load_record(load, message.due, load->now);
	sender = messages_sender_here(m, message.sender);
	if (sender && c->ready) /* the sender does not wait for a client that still joins */
		sender_one_received(m, sender, message.sequence);
}

void
messages_on_ack(struct load *load, struct load_client *c, uint64_t id, const uint8_t *bytes, size_t n)
{
	struct messages *m = load->messages;
	struct sender *sender;

	(void)bytes;
	(void)n;
	if (m && id == JOIN_ID) {
		load_ready(c);
		return;
	}
	sender = m ? sender_of(m, c) : NULL;
	if (sender == NULL || !load->scenario->by_ack || id >= sender->next) {
		load_error(load, LOAD_ERROR_PROTOCOL, "an acknowledgement of a message that was not sent");
		return;
	}
	count_received(load);
	if (!tracker_take(tracker_of(m, c, sender->number), (uint32_t)id, &load->part->tracked))
		return;
	if (sender->next - (uint32_t)id <= sender->ring)
		load_record(load, sender->due[id & (sender->ring - 1)], load->now);
	sender_answered(m, sender, (uint32_t)id);
}

/* ------------------------------------------------------------ coming and going */

static void
join_room(struct load *load, struct load_client *c)
{
	const char *nsp = c->client.target->nsp;
	char packet[HEAD_MAX];
	int n = snprintf(packet, sizeof packet, "42%s%s%llu[\"join\",\"r%llu\"]", nsp[1] ? nsp : "",
		nsp[1] ? "," : "", (unsigned long long)JOIN_ID,
		(unsigned long long)room_of(load, number_of(load, c)));

	must(n > 0 && (size_t)n < sizeof packet);
	client_send(&c->client, text_of(packet, (size_t)n), TEXT_NONE);
}

/* To the server, this is a new client: the messages that it has missed so far do not count as lost. */
static void
messages_forget_past(struct messages *m, const struct load_client *c)
{
	for (uint64_t i = 0; i < m->row; i++)
		tracker_away(&m->trackers[(uint64_t)(c - m->load->clients) * m->row + i]);
}

void
messages_joined(struct load *load, struct load_client *c)
{
	struct messages *m = load->messages;
	struct sender *sender;

	if (load->scenario->audience == AUDIENCE_ROOM && !c->ready) { /* a recovered client is in its room */
		join_room(load, c);
		loop_arm(&load->loop, &c->timer, load->options->timeout_ms);
		return;
	}
	m->ready++;
	if (m->room_ready)
		m->room_ready[room_of(load, number_of(load, c)) - m->first_room]++;
	/* messages of any process that were sent before this client joined were not for it, unless it is recovered */
	if (load->board->phase >= PHASE_MESSAGES && !c->client.recovered)
		messages_forget_past(m, c);
	sender = sender_of(m, c);
	m->senders_ready += sender != NULL;
	if (sender && m->sending)
		sender_fill(m, sender);
}

void
messages_away(struct load *load, struct load_client *c)
{
	struct messages *m = load->messages;
	struct sender *sender = sender_of(m, c);

	m->ready--;
	if (m->room_ready)
		m->room_ready[room_of(load, number_of(load, c)) - m->first_room]--;
	m->senders_ready -= sender != NULL;
	if (sender)
		sender_give_up(sender);
	messages_without_receiver(m, c);
}

bool
messages_settled(const struct load *load)
{
	const struct messages *m = load->messages;

	if (load->count * m->row > SETTLED_CHECK_MAX)
		return false;
	for (uint64_t i = 0; i < load->count; i++) {
		for (uint64_t k = 0; k < m->row; k++) {
			uint64_t sender = k;

			if (!load->clients[i].ready)
				break;
			if (m->row == 1 && m->all > 1 && !messages_is_sender(load->options, load->first + i, &sender))
				continue;
			if (messages_expects(load, load->first + i, sender) &&
				m->trackers[i * m->row + k].next < atomic_load(&load->board->sent[sender]))
				return false;
		}
	}
	return true;
}

void
messages_finish(struct load *load)
{
	struct messages *m = load->messages;

	for (uint64_t i = 0; i < load->count; i++) {
		for (uint64_t k = 0; k < m->row; k++) {
			uint64_t sender = k;

			if (m->row == 1 && m->all > 1 && !messages_is_sender(load->options, load->first + i, &sender))
				continue;
			if (messages_expects(load, load->first + i, sender))
				tracker_finish(&m->trackers[i * m->row + k], atomic_load(&load->board->sent[sender]),
					load->clients[i].ready, &load->part->tracked);
		}
	}
}

/* ---------------------------------------------------------------------- life */

static uint32_t
ring_size(const struct load_options *o)
{
	uint32_t size = RING_MIN;

	while (size < o->in_flight)
		size *= 2;
	return size;
}

static void
make_senders(struct messages *m)
{
	struct load *load = m->load;
	const struct load_options *o = load->options;
	uint64_t number;

	m->first = m->all;
	for (uint64_t i = 0; i < load->count; i++) {
		if (!messages_is_sender(o, load->first + i, &number))
			continue;
		if (m->count++ == 0)
			m->first = number;
	}
	m->senders = mem_zalloc((m->count + 1) * sizeof *m->senders);
	for (uint64_t i = 0; i < load->count; i++) {
		struct sender *sender;

		if (!messages_is_sender(o, load->first + i, &number))
			continue;
		sender = &m->senders[number - m->first];
		*sender = (struct sender){
			.client = &load->clients[i], .number = (uint32_t)number, .ring = ring_size(o)};
		if (load->scenario->by_ack)
			sender->due = mem_zalloc(sender->ring * sizeof *sender->due);
		else if (o->message_rate == 0)
			sender->missing = mem_zalloc(sender->ring * sizeof *sender->missing);
	}
}

static void
make_body(struct messages *m)
{
	size_t size = m->load->options->size;

	m->body = mem_alloc(size + 2);
	for (size_t i = 0; i < size; i++)
		m->body[i] = (uint8_t)base64url_alphabet[load_random(m->load, 64)];
	memcpy(m->body + size, "\"]", 2);
	m->body_len = size + 2;
}

void
messages_new(struct load *load)
{
	const struct load_options *o = load->options;
	struct messages *m;

	if (load->scenario->audience == AUDIENCE_NONE)
		return;
	m = load->messages = mem_zalloc(sizeof *m);
	m->load = load;
	m->all = messages_senders(o);
	m->run = (uint32_t)(o->seed * 2654435761u ^ load->board->began ^
			    load->board->began >> 32); /* differs in each run */
	m->row = load->scenario->audience == AUDIENCE_SELF ? 1 : m->all;
	m->trackers = mem_zalloc(load->count * m->row * sizeof *m->trackers);
	if (load->scenario->audience == AUDIENCE_ROOM) {
		m->first_room = room_of(load, load->first);
		m->room_ready = mem_zalloc(
			(room_of(load, load->first + load->count) - m->first_room + 1) * sizeof *m->room_ready);
	}
	buffer_init(&m->head, HEAD_MAX + 2 * MESSAGE_SIZE_MIN);
	make_senders(m);
	make_body(m);
}

void
messages_free(struct load *load)
{
	struct messages *m = load->messages;

	if (m == NULL)
		return;
	pace_stop(&m->pace);
	for (uint64_t i = 0; i < m->count; i++) {
		mem_free(m->senders[i].due);
		mem_free(m->senders[i].missing);
	}
	mem_free(m->senders);
	mem_free(m->trackers);
	mem_free(m->room_ready);
	mem_free(m->body);
	buffer_fini(&m->head);
	mem_free(m);
	load->messages = NULL;
}
