/* The connection for the commands of connection state recovery, as struct bus_stream_store describes it. */
#ifndef BROKER_STREAMS_STORE_H
#define BROKER_STREAMS_STORE_H

#include "broker/bus_stream_store.h"
#include "broker/streams_server.h"

struct streams_store;

/* What `server` points to must outlive the store. It connects when its owner says so, as a writer does. */
struct streams_store *streams_store_new(struct loop *l, const struct streams_server *server, uint64_t timeout_ms);
/* Closes the connection. The questions must have ended or been cancelled. Accepts NULL. */
void streams_store_free(struct streams_store *store);
void streams_store_connect(struct streams_store *store);
void streams_store_rest(struct streams_store *store);
/* Stops connecting, and sends what waits for up to `flush_ms`; then calls `closed` from the loop. */
void streams_store_close(struct streams_store *store, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

int streams_store_ask(
	struct streams_store *store, struct bus_stream_question *question, unsigned count, const struct text *args);
void streams_store_cancel(struct bus_stream_question *question);

#endif
