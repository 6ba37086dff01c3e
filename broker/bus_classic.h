/*
 * How forms that have publish and subscribe by channel carry messages: the channels of @socket.io/redis-adapter in
 * classic mode (wire.h), one pattern and three channels per namespace, over a bus (bus.h). A form brings the server
 * and puts these functions into its table.
 */
#ifndef BROKER_BUS_CLASSIC_H
#define BROKER_BUS_CLASSIC_H

#include "broker/bus.h"

/* `server` and `tls` are taken; `replicated`: see bus.h. */
struct bus_end *bus_classic_open(struct loop *l, struct bus_url *server, struct tls_context *tls, bool replicated,
	const struct bus_form_options *o, const struct bus_form_ops *ops);

/* Of struct bus_form. */
void bus_classic_close(struct bus_end *e, uint64_t flush_ms, void (*closed)(void *arg), void *arg);
void bus_classic_stats(const struct bus_end *e, struct bus_stats *out);
void bus_classic_subscribe(struct bus_end *e, struct bus_member *m);
void bus_classic_unsubscribe(struct bus_end *e, struct bus_member *m);
bool bus_classic_awaits(struct bus_end *e, struct bus_member *m);
bool bus_classic_up(const struct bus_end *e);
struct text bus_classic_channel(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room);
int bus_classic_publish(
	struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room, struct block *payload);
void bus_classic_count(struct bus_end *e, struct bus_count *c, const struct bus_member *m);

/* All of a struct bus_form but its name and how it opens. */
#define BUS_CLASSIC                                                                                                  \
	.close = bus_classic_close, .stats = bus_classic_stats, .subscribe = bus_classic_subscribe,                  \
	.unsubscribe = bus_classic_unsubscribe, .awaits = bus_classic_awaits, .up = bus_classic_up,                  \
	.channel = bus_classic_channel, .publish = bus_classic_publish, .count = bus_classic_count

#endif
