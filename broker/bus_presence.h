/*
 * Announcements over a bus (bus.h), for the forms whose nodes know each other (bus_form.h): all nodes subscribe to
 * one channel, and each to one of its own, by which the others see whether it is still connected.
 */
#ifndef BROKER_BUS_PRESENCE_H
#define BROKER_BUS_PRESENCE_H

#include "broker/bus.h"

/* The functions of struct bus_form with these names. `key` is copied. */
void bus_presence_enter(struct bus *bus, const char *key, struct bus_presence *presence);
void bus_presence_depart(struct bus *bus, struct bus_presence *presence);
struct text bus_presence_channel(const struct bus_presence *presence);
bool bus_presence_announce(struct bus *bus, struct bus_presence *presence, struct block *payload);
void bus_presence_count(struct bus *bus, const char *key, struct bus_count *query, struct text id);

#endif
