#include "broker/broker_internal.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUT_KEPT (256 * 1024) /* a scratch buffer that grew beyond is given back */

/* ------------------------------------------------------------------ broker */

static void
on_bus_state(void *arg, bool up)
{
	(void)arg;
	(void)up; /* the bus logs it; questions find out by themselves */
}

static const struct bus_ops bus_ops = {on_bus_state};

static void
broker_free(struct broker *b)
{
	void (*closed)(void *arg) = b->closed;
	void *arg = b->closed_arg;

	must(list_empty(&b->nsps) && b->questions.count == 0);
	table_fini(&b->questions);
	table_fini(&b->handles);
	wire_message_fini(&b->message);
	buffer_fini(&b->out);
	buffer_fini(&b->channel);
	mem_free(b->key);
	seal_free(b->seal);
	mem_free(b);
	if (closed != NULL)
		closed(arg);
}

static void
on_bus_closed(void *arg)
{
	broker_free(arg);
}

static void
on_call(struct loop_call *call)
{
	struct broker *b = container_of(call, struct broker, call);

	broker_questions_tell(b);
	if (b->closed != NULL && b->bus == NULL)
		broker_free(b);
}

int
broker_new(struct broker **out, struct loop *l, const struct broker_options *o, const struct broker_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct broker *b = mem_zalloc(sizeof *b);
	int rc = 0;

	if (o->bus != NULL)
		rc = bus_open(&b->bus, l, o->bus, &bus_ops, b, error);
	if (rc < 0) {
		mem_free(b);
		return rc;
	}
	if (o->bus != NULL)
		b->form = text_starts(text_from(o->bus->url), TEXT("hub:")) ? BROKER_HUB : BROKER_REDIS;
	b->loop = l;
	b->ops = ops;
	b->key = mem_text(o->key, strlen(o->key));
	if (o->secret != NULL && o->secret[0] != '\0')
		b->seal = seal_new(text_from(o->secret));
	b->requests_timeout_ms = o->requests_timeout_ms;
	list_init(&b->nsps);
	list_init(&b->ended);
	table_init(&b->questions);
	table_init(&b->handles);
	loop_call_init(&b->call, on_call);
	wire_message_init(&b->message);
	buffer_init(&b->out, WIRE_PAYLOAD_MAX);
	buffer_init(&b->channel, WIRE_PAYLOAD_MAX);
	*out = b;
	return 0;
}

static void
no_one(void *arg)
{
	(void)arg;
}

void
broker_close(struct broker *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&b->nsps) && b->closed == NULL);
	b->closed = closed != NULL ? closed : no_one;
	b->closed_arg = arg;
	broker_questions_tell(b);
	if (b->bus != NULL) {
		loop_call_cancel(&b->call);
		bus_close(b->bus, flush_ms, on_bus_closed, b);
	} else {
		loop_defer(b->loop, &b->call);
	}
}

void
broker_stats(const struct broker *b, struct broker_stats *out)
{
	*out = b->stats;
	out->form = b->form;
	out->waiting = b->questions.count;
	if (b->bus != NULL)
		bus_stats(b->bus, &out->bus);
}

void
broker_refuse(struct broker *b, struct text channel, int error)
{
	if (error == ERROR_UNSUPPORTED)
		b->stats.unsupported++;
	else
		b->stats.malformed++;
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "broker", "error", LOG_STR("a message of another node was dropped"), "reason",
			LOG_STR(error_text(error)), "channel", LOG_TEXT(channel), NULL);
}

bool
broker_open_seal(struct broker *b, struct text channel, struct text *payload)
{
	if (b->seal == NULL || seal_take(b->seal, channel, payload))
		return true;
	b->stats.forged++;
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "broker", "error",
			LOG_STR("a message without the tag of redisSecret was dropped: all nodes need the same "
				"secret"),
			"channel", LOG_TEXT(channel), NULL);
	return false;
}

int
broker_publish(struct broker *b, struct text channel, int rc)
{
	struct block *payload;

	if (rc == 0 && b->seal != NULL)
		seal_add(b->seal, channel, &b->out);
	if (rc == 0)
		rc = buffer_error(&b->out);
	if (rc == 0) {
		payload = block_copy(b->out.data, b->out.len);
		bus_publish(b->bus, channel, payload);
		block_unref(payload);
	}
	if (b->out.size > OUT_KEPT)
		buffer_fini(&b->out);
	buffer_reset(&b->out);
	return rc;
}

/* -------------------------------------------------------------- namespaces */

struct broker_nsp *
broker_nsp_of(struct bus_subscription *s, unsigned which)
{
	return container_of(s - which, struct broker_nsp, subscriptions[0]);
}

/* Whatever the channel's room is, the packet says for which namespace it is: names may contain "#". */
static void
on_broadcast(struct bus_subscription *s, struct text channel, struct text payload)
{
	struct broker_nsp *n = broker_nsp_of(s, BROKER_BROADCASTS);
	struct broker *b = n->broker;
	struct wire_message *m = &b->message;
	struct text room;
	int rc;

	if (!wire_channel_room(s->name, channel, &room) || wire_is_from(payload, broker_nsp_uid(n)) ||
		(room.n > 0 && !b->ops->has_room(n->owner, room))) {
		b->stats.ignored++;
		return;
	}
	if (!broker_open_seal(b, channel, &payload))
		return;
	rc = wire_read_broadcast(m, payload);
	if (rc < 0) {
		broker_refuse(b, channel, rc);
		return;
	}
	if (text_is(m->uid, broker_nsp_uid(n)) || !text_is(m->nsp, broker_nsp_name(n))) {
		b->stats.ignored++;
		return;
	}
	b->stats.broadcasts_in++;
	b->ops->on_broadcast(n->owner, &m->target, m->data, broker_attachments(m));
}

static void
make_channels(struct broker_nsp *n)
{
	static void (*const on_message[BROKER_CHANNELS])(struct bus_subscription *, struct text, struct text) = {
		on_broadcast, broker_on_request, broker_on_response, broker_on_own_response};
	struct broker *b = n->broker;
	struct text key = text_from(b->key), name = broker_nsp_name(n);

	for (unsigned i = 0; i < BROKER_CHANNELS; i++) {
		buffer_reset(&b->channel);
		if (i == BROKER_BROADCASTS)
			wire_channel_broadcast(&b->channel, key, name, TEXT_NONE);
		else if (i == BROKER_REQUESTS)
			wire_channel_request(&b->channel, key, name);
		else
			wire_channel_response(
				&b->channel, key, name, i == BROKER_OWN_RESPONSES ? broker_nsp_uid(n) : TEXT_NONE);
		n->channels[i] = mem_text((const char *)b->channel.data, b->channel.len);
		n->subscriptions[i].name = text_of(n->channels[i], b->channel.len);
		n->subscriptions[i].prefix = i == BROKER_BROADCASTS;
		n->subscriptions[i].on_message = on_message[i];
	}
}

struct broker_nsp *
broker_nsp_new(struct broker *b, struct text name, void *owner)
{
	struct broker_nsp *n = mem_zalloc(sizeof *n + name.n);

	n->broker = b;
	n->owner = owner;
	n->name_n = name.n;
	memcpy(n->name, name.at, name.n);
	list_init(&n->questions);
	list_init(&n->replies);
	list_add_tail(&b->nsps, &n->link);
	wire_make_id(n->uid, sizeof n->uid);
	if (b->bus == NULL)
		return n;
	make_channels(n);
	for (unsigned i = 0; i < BROKER_CHANNELS; i++)
		bus_subscribe(b->bus, &n->subscriptions[i]);
	return n;
}

void
broker_nsp_free(struct broker_nsp *n)
{
	if (n == NULL)
		return;
	broker_questions_end(n);
	broker_replies_end(n);
	for (unsigned i = 0; i < BROKER_CHANNELS && n->broker->bus != NULL; i++) {
		bus_unsubscribe(n->broker->bus, &n->subscriptions[i]);
		mem_free(n->channels[i]);
	}
	list_remove(&n->link);
	mem_free(n);
}

/* -------------------------------------------------------------- statements */

int
broker_broadcast(
	struct broker_nsp *n, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	struct broker *b = n->broker;
	struct text channel;
	int rc;

	if (b->bus == NULL)
		return 0;
	rc = wire_write_broadcast(&b->out, broker_nsp_uid(n), broker_nsp_name(n), to, data, attachments);
	channel = n->subscriptions[BROKER_BROADCASTS].name;
	if (to->room_count == 1) {
		buffer_reset(&b->channel);
		wire_channel_broadcast(&b->channel, text_from(b->key), broker_nsp_name(n), to->rooms[0]);
		channel = buffer_text(&b->channel);
	}
	b->stats.broadcasts_out++;
	return broker_publish(b, channel, rc);
}

static int
publish_request(struct broker_nsp *n, int rc)
{
	n->broker->stats.requests_out++;
	return broker_publish(n->broker, n->subscriptions[BROKER_REQUESTS].name, rc);
}

static int
write_rooms(struct broker_nsp *n, enum wire_type type, const struct wire_target *who, const struct text *rooms,
	unsigned count)
{
	if (n->broker->bus == NULL)
		return 0;
	return publish_request(n, wire_write_rooms(&n->broker->out, type, broker_nsp_uid(n), who, rooms, count));
}

int
broker_join(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	return write_rooms(n, WIRE_REMOTE_JOIN, who, rooms, count);
}

int
broker_leave(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	return write_rooms(n, WIRE_REMOTE_LEAVE, who, rooms, count);
}

int
broker_disconnect(struct broker_nsp *n, const struct wire_target *who, bool close)
{
	if (n->broker->bus == NULL)
		return 0;
	return publish_request(n, wire_write_disconnect(&n->broker->out, broker_nsp_uid(n), who, close));
}

int
broker_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments)
{
	if (n->broker->bus == NULL)
		return 0;
	return publish_request(
		n, wire_write_server_emit(&n->broker->out, broker_nsp_uid(n), TEXT_NONE, data, attachments));
}
