/*
 * An application that uses only the raw entry, as a link to a backend does: echo, rooms and acknowledgements. It logs
 * what it hears. Include it after fake_engine.h and fake_broker.h.
 */
#ifndef TESTS_UNIT_SOCKETIO_RAW_APP_H
#define TESTS_UNIT_SOCKETIO_RAW_APP_H

#include "common/base/json.h"
#include "node/socketio/sio_raw.h"

#define RAW_APP_SOCKETS 16

struct raw_app {
	const char *name;
	sio_socket *waiting[RAW_APP_SOCKETS];
	unsigned waiting_count;
	sio_step *step;	  /* from on_namespace(), answered later */
	bool later;	  /* the test answers connects */
	bool goes_on;	  /* listeners get the events too */
	unsigned sockets; /* accepted and not yet closed */
};

static struct buffer raw_log;

#define RAW_LOG(...) (buffer_printf(&raw_log, __VA_ARGS__), buffer_add_byte(&raw_log, '\n'))
#define SHOW(t) (int)(t).n, (t).at

static inline struct sio_content
raw_text(const char *json)
{
	return (struct sio_content){.json = text_from(json)};
}

static inline void
raw_app_accept(struct raw_app *app, sio_socket *s)
{
	app->sockets += sio_raw_accept(s) == 0;
	sio_raw_set_owned(s, app);
}

static void
raw_on_namespace(void *arg, sio_step *step, struct text name, struct text auth)
{
	struct raw_app *app = arg;

	RAW_LOG("%s: is there %.*s? %.*s", app->name, SHOW(name), SHOW(auth));
	if (text_is(name, TEXT("/yes")))
		sio_next(step);
	else if (text_is(name, TEXT("/later")))
		app->step = step;
	else
		sio_refuse(step, NULL, NULL);
}

static void
raw_on_connect(void *arg, sio_socket *s, struct text auth)
{
	struct raw_app *app = arg;

	RAW_LOG("%s: connect %s %.*s", app->name, sio_nsp_name(sio_socket_nsp(s)), SHOW(auth));
	if (app->later)
		app->waiting[app->waiting_count++] = s;
	else
		raw_app_accept(app, s);
}

static void
raw_on_acked(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	const struct raw_app *app = arg;
	struct sio_content c = sio_raw_acked(answers);

	(void)io;
	RAW_LOG("%s: answer %u error %d %.*s with %u", app->name, (unsigned)answers->number, error, SHOW(c.json),
		c.attachments != NULL ? c.attachments->count : 0);
}

/* The arguments of an event: its array without the name. */
static inline struct sio_content
raw_args(const struct sio_raw_event *e, struct buffer *room)
{
	struct text rest =
		text_of(e->name.at + e->name.n, (size_t)(e->json.at + e->json.n - (e->name.at + e->name.n)));

	while (rest.n != 0 && (*rest.at == ',' || *rest.at == ' '))
		rest = text_of(rest.at + 1, rest.n - 1);
	buffer_add_byte(room, '[');
	buffer_add_text(room, rest);
	return (struct sio_content){.json = buffer_text(room), .attachments = e->attachments};
}

/* Handles "join" room, "say" room event, "ask" and "leave". Sends all other events back unchanged. */
static bool
raw_on_event(void *arg, sio_socket *s, const struct sio_raw_event *e)
{
	struct sio_content event = {.json = e->json, .attachments = e->attachments};
	struct sio_raw_to to = {.nsp = sio_socket_nsp(s)};
	struct raw_app *app = arg;
	struct text rest = e->json, name, room;
	struct buffer args;
	char plain[64];

	must(json_array_next(&rest, &name) && text_is(name, e->name));
	if (app->goes_on)
		return true;
	if (!json_array_next(&rest, &room) || json_type(room) != JSON_STRING || room.n > sizeof plain)
		room = TEXT("\"\"");
	room = text_of(plain, json_string_decode(room, plain));
	if (text_is(name, TEXT("\"join\""))) {
		sio_raw_join(s, &room, 1);
	} else if (text_is(name, TEXT("\"leave\""))) {
		sio_raw_leave(s, &room, 1);
	} else if (text_is(name, TEXT("\"say\""))) {
		to.who = (struct sio_selector){.rooms = &room, .rooms_count = 1};
		sio_raw_cast(&to, &event);
	} else if (text_is(name, TEXT("\"ask\""))) {
		event = raw_text("[\"question\"]");
		RAW_LOG("%s: ask %d", app->name,
			sio_raw_emit_ack(s, 0, 1000, &event,
				&(struct sio_asker){.fn = raw_on_acked, .arg = app, .number = 7}));
	} else {
		sio_raw_emit(s, 0, &event);
	}
	if (e->wants_ack) {
		buffer_init(&args, 100000);
		event = raw_args(e, &args);
		must(sio_raw_ack(s, e->id, &event) == 0);
		buffer_fini(&args);
	}
	return false;
}

static void
raw_on_closed(void *arg, sio_socket *s, const char *reason, bool session_closed)
{
	struct raw_app *app = arg;

	if (reason != NULL && sio_raw_owned(s) != NULL)
		app->sockets--;
	RAW_LOG("%s: closed %s %s%s in a room %d", app->name, sio_nsp_name(sio_socket_nsp(s)),
		reason != NULL ? reason : "while it waited", session_closed ? ", session too" : "",
		sio_in_room(s, "r"));
}

static const struct sio_owner raw_owner = {.on_namespace = raw_on_namespace,
	.on_connect = raw_on_connect,
	.on_event = raw_on_event,
	.on_closed = raw_on_closed};

/* ----------------------------------------------------- what tests share */

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

static struct raw_app app, second;

static inline void
start(enum bus_form_id form)
{
	struct sio_options o = fake_options();

	buffer_init(&raw_log, 100000);
	app = (struct raw_app){.name = "app"};
	second = (struct raw_app){.name = "second"};
	fake_broker_start(form);
	fake_start(&o);
	sio_core_set_broker(fake_io, &fake_broker);
	assert_int_equal(sio_raw_own(fake_io, TEXT("/"), &raw_owner, &app), 0);
}

static inline void
stop(void)
{
	fake_stop();
	assert_int_equal(app.sockets, 0);
	fake_broker_stop();
	buffer_fini(&raw_log);
}

/* Ids appear as *. */
static inline void
expect(struct buffer *b, const char *wanted)
{
	char found[4096];
	size_t n = 0;

	for (size_t i = 0; i < b->len && n < sizeof found - 1;) {
		found[n++] = (char)b->data[i++];
		if (n >= 7 && memcmp(found + n - 7, "\"sid\":\"", 7) == 0) {
			found[n++] = '*';
			i += SIO_ID_LENGTH;
		}
	}
	found[n] = '\0';
	buffer_reset(b);
	assert_string_equal(found, wanted);
}

#define EXPECT_LOG(wanted) expect(&raw_log, wanted)
#define EXPECT_SENT(i, wanted) expect(&fake_engine.sessions[i].sent, wanted)
#define EXPECT_OUT(wanted) expect(&fake_broker.log, wanted)

static inline struct eio_session *
client(unsigned i)
{
	return &fake_engine.sessions[i];
}

static inline void
receive(unsigned i, const char *text)
{
	fake_receive(client(i), false, text, strlen(text));
}

static inline void
joined(unsigned i)
{
	(void)fake_open(i);
	receive(i, "0");
	EXPECT_SENT(i, "0{\"sid\":\"*\"}\n");
	EXPECT_LOG("app: connect / {}\n");
}

static inline sio_socket *
socket_of(unsigned i)
{
	return ((struct sio_client *)eio_owner(client(i)))->sockets;
}

#endif
