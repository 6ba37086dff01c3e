#include "tests/load/scenario.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/load/load_options.h"
#include "tests/load/messages.h"

static const struct scenario echo = {.name = "echo",
	.help = "each client emits \"echo\" and waits for the same event with the same arguments",
	.audience = AUDIENCE_SELF,
	.all_send = true};
static const struct scenario ack = {.name = "ack",
	.help = "each client emits \"ack\" and waits for its acknowledgement",
	.audience = AUDIENCE_SELF,
	.by_ack = true,
	.all_send = true};
static const struct scenario broadcast = {.name = "broadcast",
	.help = "senders emit \"broadcast\", which the server emits to all clients, the sender included",
	.audience = AUDIENCE_ALL};
static const struct scenario room = {.name = "room",
	.help = "clients emit \"join\" with a room's name (acknowledged), senders \"room\" with that name and the "
		"payload, which "
		"the server emits to that room",
	.audience = AUDIENCE_ROOM};
static const struct scenario cluster = {.name = "cluster",
	.help = "broadcast with the senders on the first URL and listeners on all; latency counts at the others",
	.audience = AUDIENCE_ALL,
	.far_only = true};
static const struct scenario polling = {.name = "polling",
	.help = "echo over long-polling",
	.audience = AUDIENCE_SELF,
	.all_send = true,
	.polling = true};

static const struct scenario *const all[] = {&scenario_connect, &scenario_idle, &echo, &ack, &broadcast, &room,
	&cluster, &scenario_churn, &polling, &scenario_storm};

const struct scenario *
scenario_at(unsigned i)
{
	return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

const struct scenario *
scenario_find(const char *name)
{
	for (unsigned i = 0; scenario_at(i); i++)
		if (strcmp(name, all[i]->name) == 0)
			return all[i];
	return NULL;
}

int
scenario_check(struct load_options *o, char *error)
{
	const char *event = o->scenario == &cluster   ? "broadcast"
			    : o->scenario == &polling ? "echo"
						      : o->scenario->name;

	if (o->scenario->polling)
		o->transport = LOAD_POLLING;
	if (o->event == NULL)
		o->event = mem_text(event, strlen(event));
	if (o->scenario == &scenario_churn && o->connect_rate == 0)
		o->connect_rate = SCENARIO_CHURN_RATE;
	if (o->scenario == &scenario_storm && o->connecting == 0)
		o->connecting = o->clients;
	if (o->scenario == &cluster && o->url_count < 2) {
		snprintf(error, OPTION_ERROR_MAX,
			"cluster needs the URLs of two nodes or more (for one URL in front of many: "
			"broadcast)");
		return ERROR_ARGUMENT;
	}
	return messages_check(o, error);
}
