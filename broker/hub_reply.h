/*
 * The answers of the hub to a worker, in the protocol of Redis (RESP2). With an ear (hub_ear.h), a subscription is
 * confirmed once Redis has confirmed it. A worker's confirmations are sent in the order of its commands; those that
 * have to wait are in `owed`.
 */
#ifndef BROKER_HUB_REPLY_H
#define BROKER_HUB_REPLY_H

#include "broker/hub_internal.h"

/* Sends a whole answer, with its line end. */
void hub_reply(struct hub_client *client, const char *line);
void hub_reply_number(struct hub_client *client, uint64_t n);
/* Adds a bulk string to `out`. */
void hub_reply_add_bulk(struct buffer *out, struct text t);
/* Sends the hub's scratch buffer. Ends the connection if memory was short for it. */
void hub_reply_scratch(struct hub_client *client);
/* Confirms a subscription or its end: `kind` is "subscribe" and so on, `count` the worker's subscriptions now. */
void hub_reply_subscribed(struct hub_client *client, struct text kind, struct text name, unsigned count);

/*
 * Adds the confirmation of a subscription to `owed`; hub_pay() sends it. `counted`: other servers count the worker by
 * this subscription. `name` is copied. Returns 0, ERROR_TOO_MANY or ERROR_MEMORY.
 */
int hub_owe(struct hub_client *client, struct hub_subscription *subscription, bool counted, struct text name);
/* The answer that is owed for the subscription, if any, becomes an error. `error` is copied, and cut if it is long.
 */
void hub_owed_refuse(struct hub_subscription *subscription, struct text error);
/* The subscription ends. The answer that is owed for it, if any, waits for Redis no longer. */
void hub_owed_end(struct hub_subscription *subscription);
/* Forgets all confirmations that the worker waits for. */
void hub_owe_nothing(struct hub_client *client);
/* Sends the answers at the head of `owed` that are due. */
void hub_pay(struct hub_client *client);
/* Does so for all workers. */
void hub_pay_all(struct hub *hub);

#endif
