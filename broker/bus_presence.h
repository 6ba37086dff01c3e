/*
 * Announcements over a bus (bus.h), for the forms whose nodes know each other (bus_form.h): all nodes subscribe to
 * one channel, and each to one of its own, by which the others see whether it is still connected.
 */
#ifndef BROKER_BUS_PRESENCE_H
#define BROKER_BUS_PRESENCE_H

#include "broker/bus.h"

/* What carries the announcements: the calls of bus.h with these names, on the argument `carrier`. */
struct bus_presence_carrier {
	void (*subscribe)(void *carrier, struct bus_subscription *subscription);
	void (*unsubscribe)(void *carrier, struct bus_subscription *subscription);
	bool (*announce)(void *carrier, struct text channel, struct block *payload);
	void (*count)(void *carrier, struct bus_count *query, struct text channel);
};
extern const struct bus_presence_carrier bus_presence_by_bus;	 /* the argument is a struct bus */
extern const struct bus_presence_carrier bus_presence_by_shards; /* the argument is a struct shards */

/* The functions of struct bus_form with these names. `key` is copied; the carrier must outlive the presence. */
void bus_presence_enter(
	const struct bus_presence_carrier *by, void *carrier, const char *key, struct bus_presence *presence);
void bus_presence_depart(struct bus_presence *presence);
struct text bus_presence_channel(const struct bus_presence *presence);
bool bus_presence_announce(struct bus_presence *presence, struct block *payload);
void bus_presence_count(const struct bus_presence_carrier *by, void *carrier, const char *key,
	struct bus_count *query, struct text id);

#endif
