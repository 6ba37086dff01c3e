/* The answers of the hub to a worker, and those that wait for Redis. */
#include "broker/hub_reply.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define ERROR_SHOWN_MAX 256 /* bytes of an error of Redis that are passed to a worker */
#define OWED_MAX 4096 /* maximum confirmations that one client waits for; a bus waits for fewer (UNCONFIRMED_MAX) */

/* ---------------------------------------------------------------- replies */

void
hub_reply(struct hub_client *client, const char *line)
{
	conn_send_copy(client->conn, line, strlen(line));
}

void
hub_reply_number(struct hub_client *client, uint64_t n)
{
	char line[32];

	conn_send_copy(client->conn, line, (size_t)snprintf(line, sizeof line, ":%llu\r\n", (unsigned long long)n));
}

void
hub_reply_add_bulk(struct buffer *out, struct text t)
{
	buffer_add_byte(out, '$');
	buffer_add_number(out, (int64_t)t.n);
	buffer_add(out, "\r\n", 2);
	buffer_add_text(out, t);
	buffer_add(out, "\r\n", 2);
}

void
hub_reply_scratch(struct hub_client *client)
{
	const struct buffer *out = &client->hub->scratch;

	if (buffer_error(out) == ERROR_MEMORY)
		conn_no_memory(client->conn);
	else
		conn_send_copy(client->conn, out->data, out->len);
}

void
hub_reply_subscribed(struct hub_client *client, struct text kind, struct text name, unsigned count)
{
	struct buffer *out = &client->hub->scratch;

	buffer_reset(out);
	buffer_add(out, "*3\r\n", 4);
	hub_reply_add_bulk(out, kind);
	hub_reply_add_bulk(out, name);
	buffer_add_byte(out, ':');
	buffer_add_number(out, count);
	buffer_add(out, "\r\n", 2);
	hub_reply_scratch(client);
}

/* ---------------------------------------------------------- confirmations */

/* The answer to a subscription, which waits for Redis. */
struct hub_owed {
	struct list link;
	char *error; /* what Redis said when it refused the subscription; NULL: it has not refused */
	/* NULL: the answer is due, as the subscription has ended, or follows another answer for it */
	struct hub_subscription *subscription;
	bool prefix;
	bool counted;	/* once the answers before this one are sent, other servers count the worker */
	unsigned count; /* of the worker's subscriptions after this one */
	size_t n;
	char name[];
};

void
hub_hold(struct hub_client *client)
{
	conn_hold(client->conn, client->partial.size + client->owed_bytes);
}

static void
hub_owed_free(struct hub_client *client, struct hub_owed *owed)
{
	if (owed->subscription != NULL)
		owed->subscription->owed = NULL;
	list_remove(&owed->link);
	client->owed_count--;
	client->owed_bytes -= sizeof *owed + owed->n;
	mem_free(owed->error);
	mem_free(owed);
}

int
hub_owe(struct hub_client *client, struct hub_subscription *subscription, bool counted, struct text name)
{
	struct hub_owed *owed;

	if (client->owed_count == OWED_MAX)
		return ERROR_TOO_MANY;
	owed = mem_try_alloc(sizeof *owed + name.n);
	if (owed == NULL)
		return ERROR_MEMORY;
	owed->error = NULL;
	owed->subscription = subscription->owed == NULL ? subscription : NULL;
	owed->prefix = subscription->topic->prefix;
	owed->counted = false;
	owed->count = client->own.count;
	owed->n = name.n;
	if (name.n > 0)
		memcpy(owed->name, name.at, name.n);
	if (subscription->owed == NULL)
		subscription->owed = owed;
	subscription->owed->counted |= counted;
	list_add_tail(&client->owed, &owed->link);
	client->owed_count++;
	client->owed_bytes += sizeof *owed + owed->n;
	return 0;
}

void
hub_owed_refuse(struct hub_subscription *subscription, struct text error)
{
	if (subscription->owed != NULL)
		subscription->owed->error = mem_text(error.at, error.n < ERROR_SHOWN_MAX ? error.n : ERROR_SHOWN_MAX);
}

void
hub_owed_end(struct hub_subscription *subscription)
{
	if (subscription->owed != NULL)
		subscription->owed->subscription = NULL;
}

void
hub_owe_nothing(struct hub_client *client)
{
	while (!list_empty(&client->owed))
		hub_owed_free(client, container_of(client->owed.next, struct hub_owed, link));
}

static void
hub_reply_owed(struct hub_client *client, const struct hub_owed *owed)
{
	struct buffer *out = &client->hub->scratch;

	if (owed->error == NULL) {
		hub_reply_subscribed(client, owed->prefix ? TEXT("psubscribe") : TEXT("subscribe"),
			text_of(owed->name, owed->n), owed->count);
		return;
	}
	buffer_reset(out);
	buffer_printf(out, "-%s\r\n", owed->error);
	hub_reply_scratch(client);
}

/*
 * Returns true if the answer is due. Other servers count the worker once all its earlier subscriptions are in force,
 * so whatever they hold back until they count it reaches it.
 */
static bool
hub_owed_is_due(const struct hub_owed *owed)
{
	struct hub_subscription *subscription = owed->subscription;

	if (subscription == NULL)
		return true;
	if (owed->counted && !subscription->counted) {
		subscription->counted = true;
		hub_ear_count(subscription->topic, ++subscription->topic->counted);
	}
	return hub_ear_confirms(subscription->topic);
}

void
hub_pay(struct hub_client *client)
{
	if (list_empty(&client->owed))
		return;
	while (!list_empty(&client->owed)) {
		struct hub_owed *owed = container_of(client->owed.next, struct hub_owed, link);

		if (!hub_owed_is_due(owed))
			break;
		hub_reply_owed(client, owed);
		hub_owed_free(client, owed);
	}
	hub_hold(client);
}

void
hub_pay_all(struct hub *hub)
{
	struct list *it, *next;

	list_each(it, next, &hub->clients) hub_pay(container_of(it, struct hub_client, link));
}
