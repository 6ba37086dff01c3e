/*
 * Senders have numbers over all processes; a process holds those whose clients it has, which are neighbours. What
 * each receiver has had of each sender is in one array of trackers, a row for each receiver.
 */
#include "tests/load/messages.h"

#include <stdio.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/load/load.h"
#include "tests/load/message.h"

#define PAIRS_MAX (UINT64_C(1) << 26) /* trackers of one run: 1 GiB */
#define SETTLED_CHECK_MAX 1000000     /* trackers that are looked at several times a second */
#define RING_MIN 64
#define RING_MAX (1u << 20)
#define JOIN_ID (UINT64_C(1) << 40) /* the acknowledgement of a room joined; messages have smaller numbers */
#define HEAD_MAX 4096

struct sender {
	struct load_client *client;
	uint32_t number;
	uint32_t next;	      /* sequence */
	uint32_t outstanding; /* closed loop */
	uint64_t progress;    /* ms: something was answered, or sent after a pause */
	uint32_t ring;	      /* a power of two */
	uint64_t *due;	      /* by sequence, for acknowledgements */
	uint32_t *missing;    /* by sequence, closed loop: receivers here that are still to have it */
	uint32_t oldest;      /* sequence: answers to older ones are all there, or waited for no more */
};

struct messages {
	struct load *l;
	uint64_t all;	/* senders over all processes */
	uint64_t first; /* number of the first one here */
	uint64_t count; /* of those here */
	struct sender *senders;
	uint64_t row; /* trackers of one receiver */
	struct tracker *trackers;
	uint32_t run;	/* id of the run */
	uint64_t ready; /* receivers here */
	uint64_t senders_ready;
	uint64_t *room_ready; /* of each room, from the first one that has a client here */
	uint64_t first_room;
	struct pace pace;
	uint64_t turn; /* open loop: the sender whose turn it is */
	bool sending;
	struct buffer head;
	uint8_t *body; /* the payload, with what ends the packet behind it */
	size_t body_len;
};

/* ------------------------------------------------------------------- who */

uint64_t
messages_senders(const struct load_options *o)
{
	return o->senders > 0 ? o->senders : o->scenario->all_send ? o->clients : 1;
}

/* Sender number j is client floor(j * clients / senders): spread evenly over the processes. */
bool
messages_is_sender(const struct load_options *o, uint64_t client, uint64_t *sender)
{
	uint64_t senders = messages_senders(o);

	*sender = (client * senders + o->clients - 1) / o->clients;
	return *sender < senders && *sender * o->clients / senders == client;
}

int
messages_check(const struct load_options *o, char *error)
{
	uint64_t senders = messages_senders(o);

	if (o->scenario->audience <= AUDIENCE_SELF || senders <= PAIRS_MAX / o->clients)
		return 0;
	snprintf(error, OPTION_ERROR_MAX,
		"--senders: %llu senders heard by %llu clients are more pairs than the tester keeps apart (%llu)",
		(unsigned long long)senders, (unsigned long long)o->clients, (unsigned long long)PAIRS_MAX);
	return ERROR_ARGUMENT;
}

static uint64_t
number_of(const struct load *l, const struct load_client *c)
{
	return l->first + (uint64_t)(c - l->clients);
}

static struct sender *
sender_of(struct messages *m, const struct load_client *c)
{
	uint64_t number;

	if (!messages_is_sender(m->l->options, number_of(m->l, c), &number))
		return NULL;
	return &m->senders[number - m->first];
}

/* The sender with that number if it is in this process. */
static struct sender *
sender_here(struct messages *m, uint32_t number)
{
	return number >= m->first && number - m->first < m->count ? &m->senders[number - m->first] : NULL;
}

static uint64_t
room_of(const struct load *l, uint64_t client)
{
	return client / l->options->room_size;
}

/* Is this receiver to have the messages of that sender? */
static bool
expects(const struct load *l, uint64_t client, uint64_t sender)
{
	const struct load_options *o = l->options;
	uint64_t from = sender * o->clients / messages_senders(o);

	switch (l->scenario->audience) {
	case AUDIENCE_SELF:
		return from == client;
	case AUDIENCE_ROOM:
		return room_of(l, from) == room_of(l, client);
	default:
		return true;
	}
}

static struct tracker *
tracker_of(struct messages *m, const struct load_client *c, uint64_t sender)
{
	uint64_t at = (uint64_t)(c - m->l->clients);

	return &m->trackers[at * m->row + (m->row == 1 ? 0 : sender)];
}

/* How many receivers in this process a message of the sender has. */
static uint64_t
receivers(const struct messages *m, const struct sender *s)
{
	switch (m->l->scenario->audience) {
	case AUDIENCE_SELF:
		return 1;
	case AUDIENCE_ROOM:
		return m->room_ready[room_of(m->l, number_of(m->l, s->client)) - m->first_room];
	default:
		return m->ready;
	}
}

/* ------------------------------------------------------------------- sending */

static void
grow_ring(struct sender *s)
{
	uint32_t old = s->ring;

	if (old >= RING_MAX)
		return;
	s->ring *= 2;
	s->due = mem_realloc(s->due, s->ring * sizeof *s->due);
	/* what was at i is now at i or at i + old, as the sequence says */
	for (uint32_t i = 0; i < old; i++)
		s->due[i + old] = s->due[i];
}

/* "42/nsp,7["name","room","; the payload and the end of the packet are the other part. */
static void
write_head(struct messages *m, const struct sender *s, uint32_t sequence)
{
	const struct load_options *o = m->l->options;
	const char *nsp = s->client->client.target->nsp;
	struct buffer *head = &m->head;

	buffer_reset(head);
	buffer_add_text(head, o->binary ? TEXT("451-") : TEXT("42"));
	if (nsp[1] != '\0') {
		buffer_add_text(head, text_from(nsp));
		buffer_add_byte(head, ',');
	}
	if (m->l->scenario->by_ack)
		buffer_add_number(head, sequence);
	buffer_add_text(head, TEXT("[\""));
	buffer_add_text(head, text_from(o->event));
	if (m->l->scenario->audience == AUDIENCE_ROOM) {
		buffer_add_text(head, TEXT("\",\"r"));
		buffer_add_number(head, (int64_t)room_of(m->l, number_of(m->l, s->client)));
	}
	buffer_add_text(head, o->binary ? TEXT("\",{\"_placeholder\":true,\"num\":0}]") : TEXT("\",\""));
}

static void
send_one(struct messages *m, struct sender *s, uint64_t due)
{
	struct load *l = m->l;
	struct client *c = &s->client->client;
	struct message message = {m->run, s->number, s->next, due};

	if (l->scenario->by_ack && s->next - tracker_of(m, s->client, s->number)->next >= s->ring)
		grow_ring(s);
	if (s->due)
		s->due[s->next & (s->ring - 1)] = due;
	if (s->missing)
		s->missing[s->next & (s->ring - 1)] = (uint32_t)receivers(m, s);
	message_write(&message, m->body);
	write_head(m, s, s->next);
	if (l->options->binary) {
		client_send(c, buffer_text(&m->head), TEXT_NONE);
		client_send_binary(c, m->body, l->options->size);
	} else {
		client_send(c, buffer_text(&m->head), text_of((const char *)m->body, m->body_len));
	}
	s->next++;
	s->outstanding++;
	atomic_store_explicit(&l->board->sent[s->number], s->next, memory_order_release);
	if (l->measuring) {
		l->part->sent++;
		series_second(&l->part->series, (l->now - l->board->run_from) / 1000000000)->messages++;
	}
}

/* Closed loop: as many as may be under way. */
static void
fill(struct messages *m, struct sender *s)
{
	s->progress = m->l->loop.now;
	while (m->sending && m->pace.ev == NULL && s->client->ready && s->client->client.state == CLIENT_JOINED &&
		s->outstanding < m->l->options->in_flight)
		send_one(m, s, board_now());
}

static void
on_due(void *arg, uint64_t when)
{
	struct messages *m = arg;
	struct sender *s = NULL;

	for (uint64_t i = 0; i < m->count && m->senders_ready > 0 && s == NULL; i++) {
		struct sender *next = &m->senders[m->turn];

		m->turn = m->turn + 1 == m->count ? 0 : m->turn + 1;
		if (next->client->ready && next->client->client.state == CLIENT_JOINED)
			s = next;
	}
	if (m->l->measuring && board_now() - when > LATE_NS)
		m->l->part->late++;
	if (s)
		send_one(m, s, when);
	else if (m->l->measuring)
		m->l->part->unanswered++; /* nobody was there to send it */
}

void
messages_begin(struct load *l)
{
	struct messages *m = l->messages;
	double rate = (double)l->options->message_rate;

	m->sending = true;
	if (rate > 0 && m->count > 0) {
		double own = rate * (double)m->count / (double)m->all;
		/* processes send in between each other, not all at the same moments */
		uint64_t offset = (uint64_t)(1e9 / rate * (double)l->number);

		must(pace_start(&m->pace, l->loop.ev, l->board->send_from + offset, own, on_due, m) == 0);
	}
	for (uint64_t i = 0; i < m->count; i++)
		fill(m, &m->senders[i]);
}

void
messages_stop(struct load *l)
{
	pace_finish(&l->messages->pace, l->board->run_until);
	l->messages->sending = false;
}

/* What is under way is waited for no more. */
static void
give_up(struct sender *s)
{
	s->outstanding = 0;
	s->oldest = s->next;
}

void
messages_expire(struct load *l)
{
	struct messages *m = l->messages;

	if (m->pace.ev != NULL || !m->sending)
		return;
	for (uint64_t i = 0; i < m->count; i++) {
		struct sender *s = &m->senders[i];

		if (s->outstanding == 0 || l->loop.now - s->progress < l->options->timeout_ms)
			continue;
		if (l->measuring)
			l->part->unanswered += s->outstanding;
		give_up(s);
		fill(m, s);
	}
}

/* ----------------------------------------------------------------- receiving */

static void
answered(struct messages *m, struct sender *s, uint32_t sequence)
{
	s->progress = m->l->loop.now;
	if (sequence < s->oldest || s->outstanding == 0) /* given up before */
		return;
	s->outstanding--;
	if (m->pace.ev == NULL)
		fill(m, s);
}

/* One receiver less to wait for; nothing happens if the message is waited for no more. */
static void
one_has_it(struct messages *m, struct sender *s, uint32_t sequence)
{
	uint32_t *missing;

	if (s->missing == NULL || sequence < s->oldest || s->next - sequence > s->ring)
		return;
	missing = &s->missing[sequence & (s->ring - 1)];
	if (*missing > 0 && --*missing == 0)
		answered(m, s, sequence);
}

/* A receiver has gone: what it has not had, nobody waits for. */
static void
without(struct messages *m, const struct load_client *c)
{
	if (m->l->scenario->audience <= AUDIENCE_SELF)
		return;
	for (uint64_t i = 0; i < m->count; i++) {
		struct sender *s = &m->senders[i];
		const struct tracker *t = tracker_of(m, c, s->number);
		uint32_t until = s->next;

		if (s->outstanding == 0 || !expects(m->l, number_of(m->l, c), s->number))
			continue;
		if (until - s->oldest > s->ring)
			s->oldest = until - s->ring;
		while (s->oldest < until && s->missing && s->missing[s->oldest & (s->ring - 1)] == 0)
			s->oldest++;
		for (uint32_t sequence = s->oldest; sequence < until; sequence++)
			if (!tracker_has(t, sequence))
				one_has_it(m, s, sequence);
	}
}

static bool
is_far(const struct load *l, const struct load_client *c)
{
	return !l->scenario->far_only || l->options->url_count == 1 || c->client.target != &l->targets[0];
}

static void
count_received(struct load *l)
{
	if (!l->measuring)
		return;
	l->part->received++;
	series_second(&l->part->series, (l->now - l->board->run_from) / 1000000000)->deliveries++;
}

void
messages_on_event(struct load *l, struct load_client *c, const uint8_t *bytes, size_t n)
{
	struct messages *m = l->messages;
	const uint8_t *at = m ? message_find(bytes, n, m->run) : NULL;
	struct message message;
	struct sender *s;

	if (at == NULL || !message_read(&message, at, n - (size_t)(at - bytes)))
		return; /* an event of the application's own */
	if (message.sender >= m->all ||
		message.sequence >= atomic_load_explicit(&l->board->sent[message.sender], memory_order_acquire) ||
		!expects(l, number_of(l, c), message.sender)) {
		load_error(l, LOAD_ERROR_PROTOCOL,
			"a message came to a client that it was not for, or that nobody sent");
		return;
	}
	count_received(l);
	if (!tracker_take(tracker_of(m, c, message.sender), message.sequence, &l->part->tracked))
		return;
	if (is_far(l, c))
		load_record(l, message.due, l->now);
	s = sender_here(m, message.sender);
	if (s)
		one_has_it(m, s, message.sequence);
}

void
messages_on_ack(struct load *l, struct load_client *c, uint64_t id, const uint8_t *bytes, size_t n)
{
	struct messages *m = l->messages;
	struct sender *s;

	(void)bytes;
	(void)n;
	if (m && id == JOIN_ID) {
		load_ready(c);
		return;
	}
	s = m ? sender_of(m, c) : NULL;
	if (s == NULL || !l->scenario->by_ack || id >= s->next) {
		load_error(l, LOAD_ERROR_PROTOCOL, "an acknowledgement of something that was not sent");
		return;
	}
	count_received(l);
	if (!tracker_take(tracker_of(m, c, s->number), (uint32_t)id, &l->part->tracked))
		return;
	if (s->next - (uint32_t)id <= s->ring)
		load_record(l, s->due[id & (s->ring - 1)], l->now);
	answered(m, s, (uint32_t)id);
}

/* ------------------------------------------------------------ coming and going */

static void
join_room(struct load *l, struct load_client *c)
{
	const char *nsp = c->client.target->nsp;
	char packet[HEAD_MAX];
	int n = snprintf(packet, sizeof packet, "42%s%s%llu[\"join\",\"r%llu\"]", nsp[1] ? nsp : "",
		nsp[1] ? "," : "", (unsigned long long)JOIN_ID, (unsigned long long)room_of(l, number_of(l, c)));

	must(n > 0 && (size_t)n < sizeof packet);
	client_send(&c->client, text_of(packet, (size_t)n), TEXT_NONE);
}

/* Gaps up to the next message of each sender are no loss. */
static void
forget(struct messages *m, const struct load_client *c)
{
	for (uint64_t i = 0; i < m->row; i++)
		tracker_away(&m->trackers[(uint64_t)(c - m->l->clients) * m->row + i]);
}

void
messages_joined(struct load *l, struct load_client *c)
{
	struct messages *m = l->messages;
	struct sender *s;

	if (l->scenario->audience == AUDIENCE_ROOM && !c->ready) {
		join_room(l, c);
		loop_arm(&l->loop, &c->timer, l->options->timeout_ms);
		return;
	}
	m->ready++;
	if (m->room_ready)
		m->room_ready[room_of(l, number_of(l, c)) - m->first_room]++;
	if (l->board->phase >= PHASE_MESSAGES) /* what was sent, by any process, before it came was not for it */
		forget(m, c);
	s = sender_of(m, c);
	m->senders_ready += s != NULL;
	if (s && m->sending)
		fill(m, s);
}

void
messages_away(struct load *l, struct load_client *c)
{
	struct messages *m = l->messages;
	struct sender *s = sender_of(m, c);

	m->ready--;
	if (m->room_ready)
		m->room_ready[room_of(l, number_of(l, c)) - m->first_room]--;
	m->senders_ready -= s != NULL;
	if (s)
		give_up(s);
	without(m, c);
	forget(m, c);
}

bool
messages_settled(const struct load *l)
{
	const struct messages *m = l->messages;

	if (l->count * m->row > SETTLED_CHECK_MAX)
		return false;
	for (uint64_t i = 0; i < l->count; i++) {
		for (uint64_t k = 0; k < m->row; k++) {
			uint64_t sender = k;

			if (!l->clients[i].ready)
				break;
			if (m->row == 1 && m->all > 1 && !messages_is_sender(l->options, l->first + i, &sender))
				continue;
			if (expects(l, l->first + i, sender) &&
				m->trackers[i * m->row + k].next < atomic_load(&l->board->sent[sender]))
				return false;
		}
	}
	return true;
}

void
messages_finish(struct load *l)
{
	struct messages *m = l->messages;

	for (uint64_t i = 0; i < l->count; i++) {
		for (uint64_t k = 0; k < m->row; k++) {
			uint64_t sender = k;

			if (m->row == 1 && m->all > 1 && !messages_is_sender(l->options, l->first + i, &sender))
				continue;
			if (expects(l, l->first + i, sender))
				tracker_finish(&m->trackers[i * m->row + k], atomic_load(&l->board->sent[sender]),
					l->clients[i].ready, &l->part->tracked);
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
	struct load *l = m->l;
	const struct load_options *o = l->options;
	uint64_t number;

	m->first = m->all;
	for (uint64_t i = 0; i < l->count; i++) {
		if (!messages_is_sender(o, l->first + i, &number))
			continue;
		if (m->count++ == 0)
			m->first = number;
	}
	m->senders = mem_zalloc((m->count + 1) * sizeof *m->senders);
	for (uint64_t i = 0; i < l->count; i++) {
		struct sender *s;

		if (!messages_is_sender(o, l->first + i, &number))
			continue;
		s = &m->senders[number - m->first];
		*s = (struct sender){.client = &l->clients[i], .number = (uint32_t)number, .ring = ring_size(o)};
		if (l->scenario->by_ack)
			s->due = mem_zalloc(s->ring * sizeof *s->due);
		else if (o->message_rate == 0)
			s->missing = mem_zalloc(s->ring * sizeof *s->missing);
	}
}

static void
make_body(struct messages *m)
{
	size_t size = m->l->options->size;

	m->body = mem_alloc(size + 2);
	for (size_t i = 0; i < size; i++)
		m->body[i] = (uint8_t)base64url_alphabet[load_random(m->l, 64)];
	memcpy(m->body + size, "\"]", 2);
	m->body_len = size + 2;
}

void
messages_new(struct load *l)
{
	const struct load_options *o = l->options;
	struct messages *m;

	if (l->scenario->audience == AUDIENCE_NONE)
		return;
	m = l->messages = mem_zalloc(sizeof *m);
	m->l = l;
	m->all = messages_senders(o);
	m->run = (uint32_t)(o->seed * 2654435761u ^ l->board->began ^
			    l->board->began >> 32); /* another one each time */
	m->row = l->scenario->audience == AUDIENCE_SELF ? 1 : m->all;
	m->trackers = mem_zalloc(l->count * m->row * sizeof *m->trackers);
	if (l->scenario->audience == AUDIENCE_ROOM) {
		m->first_room = room_of(l, l->first);
		m->room_ready =
			mem_zalloc((room_of(l, l->first + l->count) - m->first_room + 1) * sizeof *m->room_ready);
	}
	buffer_init(&m->head, HEAD_MAX + 2 * MESSAGE_SIZE_MIN);
	make_senders(m);
	make_body(m);
}

void
messages_free(struct load *l)
{
	struct messages *m = l->messages;

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
	l->messages = NULL;
}
