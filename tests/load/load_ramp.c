/* Connects clients as fast as --connecting allows or at --connect-rate, and reconnects them after a failure. */
#include <stdio.h>

#include "common/base/must.h"
#include "tests/load/load.h"
#include "tests/load/messages.h"

#define CONNECTING_USUAL 256
#define CLIENTS_PER_ADDRESS 4000 /* with more, the kernel needs long to find a free port */
#define DELAY_MAX_MS 5000	 /* the stock client's reconnectionDelayMax */
#define NO_PLACE_MS 10

static bool
ramp_has_slot(const struct load *load)
{
	return load->part->underway < load->connecting_max;
}

/* The source address of a client. Where one address would run out of ports, clients take several in turn. */
static unsigned
source_of(const struct load *load, const struct load_client *c)
{
	const struct load_options *o = load->options;
	uint64_t addresses = o->source_addresses, number = load->first + (uint64_t)(c - load->clients);

	if (!c->client.target->loopback)
		return 0;
	if (addresses == 0)
		addresses = (o->clients + CLIENTS_PER_ADDRESS - 1) / CLIENTS_PER_ADDRESS;
	return addresses <= 1 ? 0 : 1 + (unsigned)(number % addresses);
}

void
load_come(struct load *load, struct load_client *c)
{
	if (c->client.state != CLIENT_IDLE || load->phase >= PHASE_LEAVING)
		return;
	if (!ramp_has_slot(load)) {
		loop_arm(&load->loop, &c->timer, NO_PLACE_MS);
		return;
	}
	c->client.source = source_of(load, c);
	c->coming = true;
	load->part->underway++;
	if (!c->opened) {
		c->opened = true;
		load->part->opened++;
	}
	client_open(&c->client);
}

void
load_let_in(struct load *load)
{
	while (load->arrivals.ev == NULL && load->next_client < load->count && ramp_has_slot(load) &&
		load->phase < PHASE_SETTLING)
		load_come(load, &load->clients[load->next_client++]);
}

void
load_free_place(struct load *load, struct load_client *c)
{
	client_forget(&c->client);
	c->lost_at = 0;
	load->free[load->free_count++] = c;
}

static void
ramp_on_arrival(void *arg, uint64_t when)
{
	struct load *load = arg;

	(void)when;
	if (load->next_client < load->count)
		load_come(load, &load->clients[load->next_client++]);
	else if (load->free_count > 0)
		load_come(load, load->free[--load->free_count]);
	else if (load->scenario->no_coming)
		load->part->late++; /* all --clients are already connected */
	else
		pace_stop(&load->arrivals);
}

void
load_ramp_start(struct load *load)
{
	const struct load_options *o = load->options;
	double rate = (double)o->connect_rate * (double)load->count / (double)o->clients;
	uint64_t places = o->connecting ? o->connecting : CONNECTING_USUAL;

	load->connecting_max = (places + o->processes - 1) / o->processes;
	load->part->coming_from = load->board->began;
	if (o->connect_rate > 0)
		must(pace_start(&load->arrivals, load->loop.ev, load->board->began, rate, ramp_on_arrival, load) ==
			0);
	load_let_in(load);
}

void
load_ramp_stop(struct load *load)
{
	pace_stop(&load->arrivals);
	load->next_client = load->count;
}

/* --------------------------------------------------------------------- clients */

static void
ramp_leave_slot(struct load *load, struct load_client *c)
{
	if (!c->coming)
		return;
	c->coming = false;
	load->part->underway--;
	if (!c->tried) {
		c->tried = true;
		load->part->tried++;
	}
	loop_defer(&load->loop, &load->come);
}

/* A client that was lost has joined again. */
static void
ramp_count_return(struct load *load, struct load_client *c, uint64_t now)
{
	if (c->lost_at == 0)
		return;
	histogram_record(&load->part->away_time, now - c->lost_at);
	if (c->client.recovered)
		load->part->recovered++;
	else
		load->part->not_recovered++;
	load->part->last_return = now;
	c->lost_at = 0;
}

/* With --recover: notes when a client lost its connection. */
static void
ramp_count_loss(struct load *load, struct load_client *c)
{
	if (!load->options->recover || load->phase >= PHASE_LEAVING)
		return;
	c->lost_at = load->now;
	if (load->part->first_loss == 0)
		load->part->first_loss = load->now;
}

void
load_ready(struct load_client *c)
{
	struct load *load = load_of(&c->client);
	uint64_t now = board_now();

	if (c->ready)
		return;
	c->ready = true;
	c->attempts = 0;
	loop_disarm(&load->loop, &c->timer);
	load->part->ever_ready = true;
	if (load->phase == PHASE_COMING ||
		load->scenario->ended) { /* reconnects do not count towards the connect rate */
		load->part->joins++;
		load->part->last_join = now;
	}
	histogram_record(&load->part->connect_time, now - c->client.began);
	ramp_count_return(load, c, now);
	ramp_leave_slot(load, c);
	if (load->messages)
		messages_joined(load, c);
	if (load->scenario->ready)
		load->scenario->ready(load, c);
	load->part->joined++; /* as the last step: when the parent sees the last client, it begins the run at once */
}

static void
ramp_on_joined(struct client *client)
{
	struct load_client *c = load_client_of(client);
	struct load *load = load_of(client);

	if (load->scenario->audience == AUDIENCE_ROOM && !client->recovered)
		messages_joined(load, c);
	else
		load_ready(c);
}

static void
ramp_reconnect(struct load *load, struct load_client *c)
{
	uint64_t delay = load->options->reconnection_delay_ms;

	for (unsigned i = 0; i < c->attempts && delay < DELAY_MAX_MS; i++)
		delay *= 2;
	if (delay > DELAY_MAX_MS)
		delay = DELAY_MAX_MS;
	if (c->attempts < UINT8_MAX)
		c->attempts++;
	if (load->options->randomization)
		delay = delay / 2 + load_random(load, delay);
	loop_arm(&load->loop, &c->timer, delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS);
}

static void
ramp_on_ended(struct client *client, enum load_error error, const char *why, bool was_joined)
{
	struct load_client *c = load_client_of(client);
	struct load *load = load_of(client);
	bool was_ready = c->ready;

	loop_disarm(&load->loop, &c->timer);
	if (error < LOAD_ERROR_COUNT) {
		load_error(load, error, why);
		load->part->left += was_joined;
	}
	c->ready = false;
	if (was_ready) {
		load->part->joined--;
		ramp_count_loss(load, c);
		if (load->messages)
			messages_away(load, c);
	}
	ramp_leave_slot(load, c);
	if (load->phase >= PHASE_LEAVING || (load->scenario->ended && load->scenario->ended(load, c, was_ready)))
		return;
	if (error < LOAD_ERROR_COUNT && load->options->reconnect && !load->scenario->measures_coming) {
		load->part->reconnected += was_joined;
		ramp_reconnect(load, c);
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
