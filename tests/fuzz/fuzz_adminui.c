/*
 * What clients of the admin UI may send: log-ins and commands, in packets of any form. The first byte selects the
 * options. Then the input is cut into messages: one byte selects the client (an admin, or a client that admins
 * move) and the kind, one byte is the length. Nothing may crash, leak or stay unanswered, and no command makes a
 * namespace.
 */
#include "tests/unit/socketio/fake_engine.h"

#include <unistd.h>

#include "node/adminui/adminui.h"
#include "node/adminui/adminui_internal.h"

#define USERS "alice:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* "secret" */
#define NAMESPACES 3								   /* "/", "/team" and "/admin" */

static struct adminui *ui;
static struct adminui_options options;

void
eio_stats(const struct eio_server *engine, struct eio_stats *out)
{
	memset(out, 0, sizeof *out);
	out->sessions = eio_count(engine);
}

enum eio_close_reason
eio_cause_reason(enum eio_cause cause)
{
	(void)cause;
	return EIO_FORCED_CLOSE;
}

static void
count_namespace(void *arg, struct text name, unsigned sockets)
{
	(void)name;
	(void)sockets;
	++*(unsigned *)arg;
}

static unsigned
namespaces(void)
{
	struct sio_stats stats;
	unsigned count = 0;

	sio_core_stats(fake_io, &stats, count_namespace, &count);
	return count;
}

static void
receive(struct eio_session *session, const char *text)
{
	fake_receive(session, false, text, strlen(text));
	fake_turn();
}

static void
start(uint8_t what)
{
	struct sio_options sio = fake_options();
	const struct adminui_setup setup = {.loop = &fake_loop, .engine = &fake_engine, .options = &options};
	struct adminui_setup whole = setup;

	fake_start(&sio);
	sio_of(fake_io, "/");
	sio_of(fake_io, "/team");
	options = (struct adminui_options){.enabled = true,
		.users =
			(what & 15) == 7 ? USERS : "none", /* few inputs, because each password takes a millisecond */
		.readonly = (what & 16) != 0,
		.mode = (what & 32) != 0 ? ADMINUI_PRODUCTION : ADMINUI_DEVELOPMENT};
	whole.io = fake_io;
	ui = adminui_new(&whole);
	must(ui != NULL && namespaces() == NAMESPACES);
	if ((what & 15) != 7)
		receive(fake_open(0), "0/admin,");
	receive(fake_open(1), "0");
	receive(&fake_engine.sessions[1], "0/team,");
}

/* The thread compares passwords. Every log-in must be answered. */
static void
finish_logins(void)
{
	for (unsigned i = 0; !list_empty(&ui->logins); i++) {
		must(i < 100000);
		usleep(50);
		ev_run(fake_ev, EVRUN_NOWAIT);
		fake_turn();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1;

	log_set_level(LOG_ERROR);
	if (size == 0)
		return 0;
	start(data[0]);
	while (size - at >= 2) {
		uint8_t what = data[at];
		struct eio_session *s = &fake_engine.sessions[what & 1];
		size_t n = data[at + 1];

		at += 2;
		n = n > size - at ? size - at : n;
		if (!s->used)
			s = fake_open(what & 1);
		if ((what >> 1 & 7) < 5)
			fake_receive(s, false, data + at, n);
		else if ((what >> 1 & 7) == 5)
			fake_receive(s, true, data + at, n);
		else if ((what >> 1 & 7) == 6)
			fake_sleep(n * 20);
		else if (s->open)
			fake_gone(s, n % 5);
		if ((what & 16) == 0)
			fake_turn();
		finish_logins();
		at += n;
	}
	fake_turn();
	must(namespaces() == NAMESPACES);
	adminui_stop(ui);
	sio_core_close(fake_io);
	fake_turn();
	adminui_free(ui);
	fake_stop();
	return 0;
}
