#include "broker/broker_members.h"

#include <stdio.h>

#include "broker/broker_internal.h"
#include "common/base/error.h"

/* -------------------------------------------------------------- heartbeats */

static bool
members_announce(void *arg, const struct beat *beat)
{
	struct broker *broker = arg;
	const struct bus_form *form = broker->form;
	struct block *payload;
	struct buffer out;
	bool sent;

	if (broker->visitor)
		return form->up(broker->end);
	buffer_init(&out, BEAT_BYTES_MAX + SEAL_TAG);
	beat_write(&out, beat);
	if (broker->seal != NULL)
		seal_add(broker->seal, form->announce_channel(&broker->presence), &out);
	payload = block_copy(out.data, out.len); /* small: every member is limited */
	sent = form->announce(broker->end, &broker->presence, payload);
	block_unref(payload);
	buffer_fini(&out);
	return sent;
}

static void
members_describe(void *arg, struct beat *beat)
{
	struct broker *broker = arg;
	struct list *it, *next;

	beat->about.clients = broker->clients != NULL ? broker->clients(broker->clients_arg) : 0;
	list_each(it, next, &broker->nsps)
		beat_add_namespace(beat, broker_nsp_name(container_of(it, struct broker_nsp, link)));
}

/*
 * A heartbeat with a wrong seal is not believed. It only serves to warn the operator of different secrets. A node
 * with a secret sends SEAL_TAG bytes more than one without, so the heartbeat is read with and without these bytes.
 */
static void
members_on_forged(struct broker *broker, struct text payload)
{
	struct text sealed = text_of(payload.at, payload.n > SEAL_TAG ? payload.n - SEAL_TAG : 0);
	struct beat beat;

	if (beat_read(&beat, payload) == 0 || beat_read(&beat, sealed) == 0)
		members_mismatch(broker->members, &beat);
	else if (broker->seal == NULL)
		broker->stats.malformed++;
	broker->stats.forged += broker->seal != NULL;
}

static void
members_on_announcement(struct bus_presence *presence, struct text channel, struct text payload)
{
	struct broker *broker = container_of(presence, struct broker, presence);
	struct text bare = payload;
	struct beat beat;
	int rc;

	if (broker->seal != NULL && !seal_take(broker->seal, channel, &bare)) {
		members_on_forged(broker, payload);
		return;
	}
	rc = beat_read(&beat, bare);
	if (rc == 0)
		members_hear(broker->members, &beat);
	else if (rc != ERROR_UNSUPPORTED) /* the heartbeat of a later version */
		members_on_forged(broker, payload);
}

static void
members_on_hearing(struct bus_presence *presence)
{
	members_return(container_of(presence, struct broker, presence)->members);
}

/* ------------------------------------------------------------------ counts */

static void
members_ask_presence(void *arg, struct bus_count *query, struct text id)
{
	struct broker *broker = arg;

	broker->form->count_present(broker->end, query, id);
}

/* Every server has the main namespace. */
static bool
members_ask_servers(void *arg, struct bus_count *query)
{
	struct broker *broker = arg;
	struct list *it, *next;

	list_each(it, next, &broker->nsps)
	{
		struct broker_nsp *nsp = container_of(it, struct broker_nsp, link);

		if (text_is(broker_nsp_name(nsp), TEXT("/"))) {
			broker->form->count(broker->end, query, &nsp->member);
			return true;
		}
	}
	return false;
}

static bool
members_ask_strangers(void *arg, struct bus_count *query)
{
	struct broker *broker = arg;

	if (broker->form->count_strangers == NULL)
		return false;
	broker->form->count_strangers(broker->end, query);
	return true;
}

static bool
members_ask_others(void *arg, struct bus_count *query)
{
	struct broker *broker = arg;

	if (broker->form->count_others == NULL)
		return false;
	broker->form->count_others(broker->end, query);
	return true;
}

static void
members_on_change(void *arg)
{
	broker_questions_members_changed(arg);
}

static const struct members_ops members_ops = {members_announce, members_describe, members_ask_presence,
	members_ask_servers, members_ask_strangers, members_ask_others, members_on_change};

/* -------------------------------------------------------------------- life */

void
broker_members_init(struct broker *broker, const struct broker_options *options)
{
	const struct bus_form *form = broker->form;
	struct members_options own = options->members;

	own.observer = options->visitor;
	own.alone = form->enter == NULL;
	if (own.self.mode[0] == '\0')
		snprintf(own.self.mode, sizeof own.self.mode, "%s", form->name);
	broker->clients = options->clients;
	broker->clients_arg = options->clients_arg;
	broker->members = members_new(broker->loop, &own, &members_ops, broker);
	broker->presence = (struct bus_presence){.id = members_id(broker->members),
		.on_announcement = members_on_announcement,
		.on_hearing = members_on_hearing};
	if (own.alone)
		return;
	form->enter(broker->end, &broker->presence);
}

void
broker_members_fini(struct broker *broker)
{
	if (broker->form->enter != NULL) {
		members_leave(broker->members);
		broker->form->depart(broker->end, &broker->presence);
	}
	members_free(broker->members);
	broker->members = NULL;
}

void
broker_recount(const struct broker *broker)
{
	if (broker->members != NULL)
		members_recount(broker->members);
}

void
broker_drain(struct broker *broker)
{
	members_drain(broker->members);
}

const struct members *
broker_members(const struct broker *broker)
{
	return broker->members;
}
