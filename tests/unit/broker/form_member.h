/* A member of a bus form that writes down what it hears, for tests of the forms. Include after broker_bench.h. */
#ifndef TESTS_UNIT_BROKER_FORM_MEMBER_H
#define TESTS_UNIT_BROKER_FORM_MEMBER_H

#include "broker/bus_form.h"
#include "common/base/mem.h"

struct end {
	const struct bus_form *form;
	struct bus_end *end;
	bool closed;
};

struct member {
	struct bus_member member;
	struct buffer heard; /* "kind room payload;" for each message */
	unsigned settled;
};

static inline void
member_on_message(struct bus_member *m, const struct bus_message *message)
{
	struct member *mine = container_of(m, struct member, member);

	buffer_printf(&mine->heard, "%u %.*s %.*s;", message->kind, (int)message->room.n,
		message->room.at != NULL ? message->room.at : "", (int)message->payload.n, message->payload.at);
}

static inline void
member_on_settled(struct bus_member *m)
{
	container_of(m, struct member, member)->settled++;
}

static const struct bus_form_ops member_ops = {.on_message = member_on_message, .on_settled = member_on_settled};

static inline void
end_open_with(struct end *e, const struct bus_form *form, const struct bus_form_options *options,
	const struct bus_form_ops *form_ops)
{
	char error[BUS_ERROR_MAX];

	*e = (struct end){.form = form};
	if (form->open(&e->end, &bench.loop, options, form_ops, error) < 0)
		fail_msg("%s", error);
}

static inline void
end_on_closed(void *arg)
{
	((struct end *)arg)->closed = true;
}

static inline void
end_close(struct end *e)
{
	e->form->close(e->end, 1000, end_on_closed, e);
	RUN_UNTIL(e->closed);
}

static inline void
member_join(struct end *e, struct member *m, const char *name, const char *uid, bool visitor)
{
	*m = (struct member){.member = {.name = text_from(name), .uid = text_from(uid), .visitor = visitor}};
	buffer_init(&m->heard, 1 << 20);
	e->form->subscribe(e->end, &m->member);
}

static inline void
member_leave(struct end *e, struct member *m)
{
	e->form->unsubscribe(e->end, &m->member);
	buffer_fini(&m->heard);
}

static inline int
send_to(struct end *e, struct member *m, enum bus_kind kind, struct text address, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));
	int rc = e->form->publish(e->end, &m->member, kind, address, block);

	block_unref(block);
	return rc;
}

#endif
