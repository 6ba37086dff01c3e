/*
 * A bus at a Redis Cluster, in classic mode. A publish at any member reaches the subscribers of all, so the bus uses
 * one member, and another one when that member fails. Only a count of subscribers has to ask every member.
 */
#ifndef BROKER_BUS_CLUSTER_H
#define BROKER_BUS_CLUSTER_H

#include "broker/bus_form.h"

struct bus;
struct bus_cluster;

/* `bus` must have its URL, its access and its timeout. */
struct bus_cluster *bus_cluster_new(struct bus *bus, uint64_t refresh_ms);
void bus_cluster_free(struct bus_cluster *cluster); /* accepts NULL */

/*
 * Finds a member to connect to. One bus_found_server() or bus_found_no_server() follows, possibly before this call
 * returns.
 */
void bus_cluster_find(struct bus_cluster *cluster);

/* Counts the subscribers at all members. Returns false if no member can be asked; `query` is then not answered. */
bool bus_cluster_count(struct bus_cluster *cluster, struct text word, struct bus_count *query, struct text channel);

#endif
