/* What clients do. Each scenario is one row of functions, which are called from the loop of a load process. */
#ifndef TESTS_LOAD_SCENARIO_H
#define TESTS_LOAD_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

struct load;
struct load_client;
struct load_options;

#define SCENARIO_NAMES "connect, idle, echo, ack, broadcast, room, cluster, churn, polling, storm"

enum audience {
	AUDIENCE_NONE, /* no messages */
	AUDIENCE_SELF, /* the sender receives an answer */
	AUDIENCE_ALL,
	AUDIENCE_ROOM,
};

struct scenario {
	const char *name;
	const char *help; /* a line of --help */
	enum audience audience;
	bool by_ack;	      /* the answer is an acknowledgement */
	bool far_only;	      /* latency counts only at clients of URLs other than the sender's */
	bool all_send;	      /* the default of --senders is all clients */
	bool polling;	      /* long-polling regardless of --transport */
	bool measures_coming; /* the measured run is the time in which clients connect */
	bool no_coming;	      /* the measured run begins at once, and clients connect during it */
	/* The measured run begins. May be NULL. */
	void (*begin)(struct load *load);
	/* A client has become ready, possibly after the run began. May be NULL. */
	void (*ready)(struct load *load, struct load_client *c);
	/* A client has ended. Returns true if the scenario takes care of its return. May be NULL. */
	bool (*ended)(struct load *load, struct load_client *c, bool was_joined);
	/*
	 * Called about 100 times per second from `begin` on. Returns true when nothing is left to measure. May be
	 * NULL.
	 */
	bool (*over)(struct load *load);
};

const struct scenario *scenario_find(const char *name); /* NULL if unknown */
const struct scenario *scenario_at(unsigned i);		/* NULL after the last */
/*
 * Checks that the options suit the scenario and sets those that the scenario decides. Returns 0, or ERROR_ARGUMENT
 * with one line in `error`.
 */
int scenario_check(struct load_options *o, char *error);

#define SCENARIO_CHURN_RATE 100 /* clients per second, the default of --connect-rate */
extern const struct scenario scenario_connect, scenario_idle, scenario_churn, scenario_storm;

#endif
