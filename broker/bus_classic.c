#include "broker/bus_classic.h"

#include "broker/wire.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define CHANNEL_MAX (1 << 20) /* bytes of a channel's name: a room's name is shorter */

/* One of the four things that a member listens to, or only speaks to when it visits. */
struct ear {
	struct bus_subscription subscription;
	struct place *place;
	enum bus_kind kind;
	char *name;
};

struct place {
	struct list link; /* in places */
	struct bus_end *end;
	struct bus_member *member;
	bool awaited;	     /* on_settled is due */
	enum bus_kind first; /* of those that are listened to; a visitor hears answers alone */
	struct ear ears[BUS_KIND_COUNT];
};

struct bus_end {
	struct bus *bus;
	const struct bus_form_ops *ops;
	char *key;
	struct list places;
	struct buffer channel; /* scratch */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* --------------------------------------------------------------- channels */

static void
write_channel(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room)
{
	struct text key = text_from(e->key);

	buffer_reset(&e->channel);
	switch (kind) {
	case BUS_BROADCAST:
		wire_channel_broadcast(&e->channel, key, m->name, room);
		break;
	case BUS_REQUEST:
		wire_channel_request(&e->channel, key, m->name);
		break;
	default:
		wire_channel_response(&e->channel, key, m->name, kind == BUS_OWN_RESPONSE ? m->uid : TEXT_NONE);
		break;
	}
}

struct text
bus_classic_channel(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room)
{
	const struct place *p = m->place;

	if (room.at == NULL)
		return p->ears[kind].subscription.name;
	write_channel(e, m, kind, room);
	return buffer_text(&e->channel);
}

int
bus_classic_publish(
	struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room, struct block *payload)
{
	struct text channel = bus_classic_channel(e, m, kind, room);
	int rc = room.at != NULL ? buffer_error(&e->channel) : 0; /* else the scratch holds an older one */

	return rc == 0 ? bus_publish(e->bus, channel, payload) : rc;
}

/* Every node hears the requests of a namespace that it has. */
void
bus_classic_count(struct bus_end *e, struct bus_count *c, const struct bus_member *m)
{
	bus_count(e->bus, c, bus_classic_channel(e, m, BUS_REQUEST, TEXT_NONE));
}

/* --------------------------------------------------------------- messages */

static void
on_message(struct bus_subscription *s, struct text channel, struct text payload)
{
	struct ear *ear = container_of(s, struct ear, subscription);
	struct bus_message message = {.kind = ear->kind, .channel = channel, .payload = payload};

	/* beyond the pattern's beginning and a "#" stands the room, whatever characters are in it */
	if (ear->kind == BUS_BROADCAST && !wire_channel_room(s->name, channel, &message.room))
		return;
	ear->place->end->ops->on_message(ear->place->member, &message);
}

/* -------------------------------------------------------------- confirmed */

static bool
awaits(const struct place *p)
{
	for (unsigned i = p->first; i < BUS_KIND_COUNT; i++) {
		if (bus_awaits(p->end->bus, &p->ears[i].subscription))
			return true;
	}
	return false;
}

bool
bus_classic_awaits(struct bus_end *e, struct bus_member *m)
{
	struct place *p = m->place;

	(void)e;
	p->awaited |= awaits(p);
	return p->awaited;
}

static void
settle(struct place *p)
{
	if (!p->awaited || awaits(p))
		return;
	p->awaited = false;
	p->end->ops->on_settled(p->member);
}

static void
on_confirmed(struct bus_subscription *s)
{
	settle(container_of(s, struct ear, subscription)->place);
}

/* Members may come and go in the up-call: each is moved out of the list before it is told. */
static void
on_hopeless(void *arg)
{
	struct bus_end *e = arg;
	struct list all;

	list_init(&all);
	list_move_all(&all, &e->places);
	while (!list_empty(&all)) {
		struct place *p = container_of(all.next, struct place, link);

		list_remove(&p->link);
		list_add_tail(&e->places, &p->link);
		settle(p);
	}
}

static const struct bus_ops bus_ops = {on_hopeless};

/* ----------------------------------------------------------------- members */

void
bus_classic_subscribe(struct bus_end *e, struct bus_member *m)
{
	struct place *p = mem_zalloc(sizeof *p);

	p->end = e;
	p->member = m;
	p->first = m->visitor ? BUS_RESPONSE : BUS_BROADCAST;
	m->place = p;
	list_add_tail(&e->places, &p->link);
	for (unsigned i = 0; i < BUS_KIND_COUNT; i++) {
		struct ear *ear = &p->ears[i];

		write_channel(e, m, (enum bus_kind)i, TEXT_NONE);
		ear->place = p;
		ear->kind = (enum bus_kind)i;
		/* small: the key of the configuration, and a namespace's name */
		ear->name = mem_text((const char *)e->channel.data, e->channel.len);
		ear->subscription.name = text_of(ear->name, e->channel.len);
		ear->subscription.prefix = i == BUS_BROADCAST;
		ear->subscription.on_message = on_message;
		ear->subscription.on_confirmed = on_confirmed;
		if (ear->kind >= p->first)
			bus_subscribe(e->bus, &ear->subscription);
	}
}

void
bus_classic_unsubscribe(struct bus_end *e, struct bus_member *m)
{
	struct place *p = m->place;

	for (unsigned i = 0; i < BUS_KIND_COUNT; i++) {
		if (p->ears[i].kind >= p->first)
			bus_unsubscribe(e->bus, &p->ears[i].subscription);
		mem_free(p->ears[i].name);
	}
	list_remove(&p->link);
	mem_free(p);
	m->place = NULL;
}

/* -------------------------------------------------------------------- life */

struct bus_end *
bus_classic_open(struct loop *l, struct bus_url *server, struct tls_context *tls, bool replicated,
	const struct bus_form_options *o, const struct bus_form_ops *ops)
{
	struct bus_options options = {.server = server,
		.tls = tls,
		.replicated = replicated,
		.key = o->key,
		.max_queue = o->max_queue,
		.check_ms = o->check_ms,
		.timeout_ms = o->timeout_ms};
	struct bus_end *e = mem_zalloc(sizeof *e);

	e->ops = ops;
	e->key = mem_text(o->key, strlen(o->key));
	list_init(&e->places);
	buffer_init(&e->channel, CHANNEL_MAX);
	e->bus = bus_open(l, &options, &bus_ops, e);
	return e;
}

static void
on_closed(void *arg)
{
	struct bus_end *e = arg;
	void (*closed)(void *arg) = e->closed;
	void *closed_arg = e->closed_arg;

	buffer_fini(&e->channel);
	mem_free(e->key);
	mem_free(e);
	closed(closed_arg);
}

void
bus_classic_close(struct bus_end *e, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&e->places));
	e->closed = closed;
	e->closed_arg = arg;
	bus_close(e->bus, flush_ms, on_closed, e);
}

void
bus_classic_stats(const struct bus_end *e, struct bus_stats *out)
{
	bus_stats(e->bus, out);
}

bool
bus_classic_up(const struct bus_end *e)
{
	return bus_up(e->bus);
}
