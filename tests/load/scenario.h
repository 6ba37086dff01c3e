/*
 * What clients do. Each scenario is one row of functions, all called from the loop of a load process.
 */
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
	AUDIENCE_SELF, /* an answer to the sender */
	AUDIENCE_ALL,
	AUDIENCE_ROOM,
};

struct scenario {
	const char *name;
	const char *help; /* a line of --help */
	enum audience audience;
	bool by_ack;	      /* the answer is an acknowledgement */
	bool far_only;	      /* latency counts at clients of other URLs than the sender's alone */
	bool all_send;	      /* unless --senders says otherwise */
	bool polling;	      /* long-polling whatever --transport says */
	bool measures_coming; /* the measured run is the coming of the clients */
	bool no_coming;	      /* the measured run begins at once: clients come within it */
	/* The measured run begins. May be NULL. */
	void (*begin)(struct load *l);
	/* A client has become ready; the run may have begun. May be NULL. */
	void (*ready)(struct load *l, struct load_client *c);
	/* A client has ended; true: the scenario sees to its coming back. May be NULL. */
	bool (*ended)(struct load *l, struct load_client *c, bool was_joined);
	/* About 100 times a second, from `begin` on. True when there is nothing more to measure. May be NULL. */
	bool (*over)(struct load *l);
};

const struct scenario *scenario_find(const char *name); /* NULL: there is none */
const struct scenario *scenario_at(unsigned i);		/* NULL behind the last */
/* Do the options suit the scenario? Fills in what the scenario decides. 0, or ERROR_ARGUMENT with a line. */
int scenario_check(struct load_options *o, char *error);

#define SCENARIO_CHURN_RATE 100 /* clients per second unless --connect-rate says otherwise */
extern const struct scenario scenario_connect, scenario_idle, scenario_churn, scenario_storm;

#endif
