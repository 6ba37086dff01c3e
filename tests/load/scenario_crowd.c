/* The scenarios without messages: connect, idle, churn, storm. */
#include "tests/load/load.h"
#include "tests/load/scenario.h"

const struct scenario scenario_connect = {.name = "connect",
	.help = "clients connect and stay; the measured run is the time that this takes",
	.measures_coming = true};

const struct scenario scenario_idle = {.name = "idle", .help = "clients connect and stay for --duration"};

/* ----------------------------------------------------------------------- churn */

static void
churn_begin(struct load *l)
{
	l->part->coming_from = l->now;
}

static void
churn_ready(struct load *l, struct load_client *c)
{
	loop_arm(&l->loop, &c->timer, l->options->stay_ms);
}

/* A client that has left may start anew. */
static bool
churn_ended(struct load *l, struct load_client *c, bool was_joined)
{
	(void)was_joined;
	load_free_place(l, c);
	return true;
}

const struct scenario scenario_churn = {.name = "churn",
	.help = "--connect-rate clients connect per second, stay for --stay and leave",
	.no_coming = true,
	.begin = churn_begin,
	.ready = churn_ready,
	.ended = churn_ended};

/* ----------------------------------------------------------------------- storm */

static void
storm_begin(struct load *l)
{
	histogram_init(&l->part->connect_time); /* from here on it measures the reconnects */
	l->part->joins = 0;
	l->part->coming_from = board_now();
	l->storm_size = l->part->joined;
	for (uint64_t i = 0; i < l->count; i++)
		if (l->clients[i].ready)
			client_cut(&l->clients[i].client, LOAD_ERROR_COUNT, "");
}

static bool
storm_ended(struct load *l, struct load_client *c, bool was_joined)
{
	if (l->phase != PHASE_MESSAGES || !was_joined)
		return false;
	load_come(l, c);
	return true;
}

static bool
storm_over(struct load *l)
{
	return l->part->joins >= l->storm_size;
}

const struct scenario scenario_storm = {.name = "storm",
	.help = "all clients are cut off at once and reconnect without delay; the measured run is the time that this "
		"takes",
	.begin = storm_begin,
	.ended = storm_ended,
	.over = storm_over};
