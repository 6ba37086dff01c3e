/*
 * A bus at a Redis Cluster, in classic mode. A publish at any member reaches the subscribers of all, so the bus uses
 * one member, and another one when that member fails. Only a count of subscribers has to ask every member.
 *
 * With a log (bus_log.h), the bus uses the master that owns the slot of the log's keys, and no other member. While
 * that master is away, the bus is down until the cluster has promoted a replica. The bus learns that the slot has
 * moved from the answer MOVED. A bus that only listens for nodes with a log asks for one of the keys at each connect
 * and with each check.
 */
#ifndef BROKER_BUS_CLUSTER_H
#define BROKER_BUS_CLUSTER_H

#include "broker/bus_form.h"

struct bus;
struct bus_cluster;
struct resp;

/*
 * `bus` must have its URL, its access and its timeout. `log_key` is a key of the log, whose owner the bus uses;
 * copied. NULL: it uses any master.
 */
struct bus_cluster *bus_cluster_new(struct bus *bus, uint64_t refresh_ms, const char *log_key);
void bus_cluster_free(struct bus_cluster *cluster); /* accepts NULL */

/*
 * Finds a member to connect to. One bus_found_server() or bus_found_no_server() follows, possibly before this call
 * returns.
 */
void bus_cluster_find(struct bus_cluster *cluster);

/* Asks the server in use whether it owns the log's slot, if the bus must use the owner but records nothing itself. */
void bus_cluster_send_owner(struct bus_cluster *cluster);
/* Handles that answer. Returns false if the slot has moved; the bus is then lost. */
bool bus_cluster_on_owner(struct bus_cluster *cluster, const struct resp *reply);
/* The server in use has refused a command of the log. If the error names another owner, it is the next one in use. */
void bus_cluster_redirect(struct bus_cluster *cluster, struct text error);

/* Counts the subscribers at all members. Returns false if no member can be asked; `query` is then not answered. */
bool bus_cluster_count(struct bus_cluster *cluster, struct text word, struct bus_count *query, struct text channel);

#endif
