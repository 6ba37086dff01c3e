/* Connects clients as fast as --connecting allows or at --connect-rate, and reconnects them after a failure. */
#include <stdio.h>

#include "common/base/must.h"
#include "tests/load/load.h"
#include "tests/load/messages.h"

#define CONNECTING_USUAL 256
#define CLIENTS_PER_ADDRESS 4000 /* with more, the kernel needs long to find a free port */
#define DELAY_MS 1000		 /* the stock client's reconnectionDelay and reconnectionDelayMax */
#define DELAY_MAX_MS 5000
#define NO_PLACE_MS 10

static bool
ramp_has_slot(const struct load *l)
{
	return l->part->underway < l->connecting_max;
}

/* The source address of a client. Where one address would run out of ports, clients take several in turn. */
static unsigned
source_of(const struct load *l, const struct load_client *c)
{
	const struct load_options *o = l->options;
	uint64_t addresses = o->source_addresses, number = l->first + (uint64_t)(c - l->clients);

	if (!c->client.target->loopback)
		return 0;
	if (addresses == 0)
		addresses = (o->clients + CLIENTS_PER_ADDRESS - 1) / CLIENTS_PER_ADDRESS;
	return addresses <= 1 ? 0 : 1 + (unsigned)(number % addresses);
}

void
load_come(struct load *l, struct load_client *c)
{
	if (c->client.state != CLIENT_IDLE || l->phase >= PHASE_LEAVING)
		return;
	if (!ramp_has_slot(l)) {
		loop_arm(&l->loop, &c->timer, NO_PLACE_MS);
		return;
	}
	c->client.source = source_of(l, c);
	c->coming = true;
	l->part->underway++;
	if (!c->opened) {
		c->opened = true;
		l->part->opened++;
	}
	client_open(&c->client);
}

void
load_let_in(struct load *l)
{
	while (l->arrivals.ev == NULL && l->next_client < l->count && ramp_has_slot(l) && l->phase < PHASE_SETTLING)
		load_come(l, &l->clients[l->next_client++]);
}

void
load_free_place(struct load *l, struct load_client *c)
{
	l->free[l->free_count++] = c;
}

static void
ramp_on_arrival(void *arg, uint64_t when)
{
	struct load *l = arg;

	(void)when;
	if (l->next_client < l->count)
		load_come(l, &l->clients[l->next_client++]);
	else if (l->free_count > 0)
		load_come(l, l->free[--l->free_count]);
	else if (l->scenario->no_coming)
		l->part->late++; /* all --clients are already connected */
	else
		pace_stop(&l->arrivals);
}

void
load_ramp_start(struct load *l)
{
	const struct load_options *o = l->options;
	double rate = (double)o->connect_rate * (double)l->count / (double)o->clients;
	uint64_t places = o->connecting ? o->connecting : CONNECTING_USUAL;

	l->connecting_max = (places + o->processes - 1) / o->processes;
	l->part->coming_from = l->board->began;
	if (o->connect_rate > 0)
		must(pace_start(&l->arrivals, l->loop.ev, l->board->began, rate, ramp_on_arrival, l) == 0);
	load_let_in(l);
}

void
load_ramp_stop(struct load *l)
{
	pace_stop(&l->arrivals);
	l->next_client = l->count;
}

/* --------------------------------------------------------------------- clients */

static void
ramp_leave_slot(struct load *l, struct load_client *c)
{
	if (!c->coming)
		return;
	c->coming = false;
	l->part->underway--;
	if (!c->tried) {
		c->tried = true;
		l->part->tried++;
	}
	loop_defer(&l->loop, &l->come);
}

void
load_ready(struct load_client *c)
{
	struct load *l = load_of(&c->client);
	uint64_t now = board_now();

	if (c->ready)
		return;
	c->ready = true;
	c->attempts = 0;
	loop_disarm(&l->loop, &c->timer);
	l->part->ever_ready = true;
	l->part->joined++;
	if (l->phase == PHASE_COMING || l->scenario->ended) { /* reconnects do not count towards the connect rate */
		l->part->joins++;
		l->part->last_join = now;
	}
	histogram_record(&l->part->connect_time, now - c->client.began);
	ramp_leave_slot(l, c);
	if (l->messages)
		messages_joined(l, c);
	if (l->scenario->ready)
		l->scenario->ready(l, c);
}

static void
ramp_on_joined(struct client *client)
{
	struct load_client *c = load_client_of(client);
	struct load *l = load_of(client);

	if (l->scenario->audience == AUDIENCE_ROOM)
		messages_joined(l, c);
	else
		load_ready(c);
}

static void
ramp_reconnect(struct load *l, struct load_client *c)
{
	uint64_t delay = DELAY_MS;

	for (unsigned i = 0; i < c->attempts && delay < DELAY_MAX_MS; i++)
		delay *= 2;
	if (delay > DELAY_MAX_MS)
		delay = DELAY_MAX_MS;
	if (c->attempts < UINT8_MAX)
		c->attempts++;
	delay = delay / 2 + load_random(l, delay);
	loop_arm(&l->loop, &c->timer, delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS);
}

static void
ramp_on_ended(struct client *client, enum load_error error, const char *why, bool was_joined)
{
	struct load_client *c = load_client_of(client);
	struct load *l = load_of(client);
	bool was_ready = c->ready;

	loop_disarm(&l->loop, &c->timer);
	if (error < LOAD_ERROR_COUNT) {
		load_error(l, error, why);
		l->part->left += was_joined;
	}
	c->ready = false;
	if (was_ready) {
		l->part->joined--;
		if (l->messages)
			messages_away(l, c);
	}
	ramp_leave_slot(l, c);
	if (l->phase >= PHASE_LEAVING || (l->scenario->ended && l->scenario->ended(l, c, was_ready)))
		return;
	if (error < LOAD_ERROR_COUNT && l->options->reconnect && !l->scenario->measures_coming) {
		l->part->reconnected += was_joined;
		ramp_reconnect(l, c);
	}
}

static void
ramp_on_event(struct client *client, const uint8_t *bytes, size_t n)
{
	messages_on_event(load_of(client), load_client_of(client), bytes, n);
}

static void
ramp_on_ack(struct client *client, uint64_t id, const uint8_t *bytes, size_t n)
{
	messages_on_ack(load_of(client), load_client_of(client), id, bytes, n);
}

const struct client_ops load_client_ops = {
	.joined = ramp_on_joined, .event = ramp_on_event, .ack = ramp_on_ack, .ended = ramp_on_ended};
