/* The scenarios without messages: connect, idle, churn, storm. */
#include "tests/load/load.h"
#include "tests/load/scenario.h"

const struct scenario scenario_connect = {.name = "connect",
	.help = "clients connect and stay; the measured run is the time that this takes",
	.measures_coming = true};

const struct scenario scenario_idle = {.name = "idle", .help = "clients connect and stay for --duration"};

/* ----------------------------------------------------------------------- churn */

static void
churn_begin(struct load *load)
{
	load->part->coming_from = load->now;
}

static void
churn_ready(struct load *load, struct load_client *c)
{
	loop_arm(&load->loop, &c->timer, load->options->stay_ms);
}

/* A client that has left may start anew. */
static bool
churn_ended(struct load *load, struct load_client *c, bool was_joined)
{
	(void)was_joined;
	load_free_place(load, c);
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
storm_begin(struct load *load)
{
	histogram_init(&load->part->connect_time); /* from here on it measures the reconnects */
	load->part->joins = 0;
	load->part->coming_from = board_now();
	load->storm_size = load->part->joined;
	for (uint64_t i = 0; i < load->count; i++)
		if (load->clients[i].ready)
			client_cut(&load->clients[i].client, LOAD_ERROR_COUNT, "");
}

static bool
storm_ended(struct load *load, struct load_client *c, bool was_joined)
{
	if (load->phase != PHASE_MESSAGES || !was_joined)
		return false;
	load_come(load, c);
	return true;
}

static bool
storm_over(struct load *load)
{
	return load->part->joins >= load->storm_size;
}

const struct scenario scenario_storm = {.name = "storm",
	.help = "all clients are cut off at once and reconnect without delay; the measured run is the time that this "
		"takes",
	.begin = storm_begin,
	.ended = storm_ended,
	.over = storm_over};
