/*
 * Streams of messages from two clients to a server whose listeners use many functions. The input is cut into
 * messages: one byte selects the client and the kind, two bytes are the length. Nothing may crash or leak, and each
 * due disconnect call and answer comes exactly once.
 */
#include "tests/unit/socketio/fake_engine.h"

static unsigned connected, disconnecting, disconnected, asked, answered;
static sio_step *waiting;
static sio_event *kept;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	connected++;
	sio_join(s, "all");
}

static void
on_disconnecting(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	must(sio_in_room(s, sio_id(s)));
	disconnecting++;
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	must(!sio_in_room(s, sio_id(s)));
	must(++disconnected == disconnecting);
}

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	size_t n = 0;

	(void)io;
	(void)error;
	(void)arg;
	answered++;
	for (unsigned i = 0; i < sio_answers_count(answers); i++)
		(void)sio_json(sio_answer(answers, i), &n);
}

static void
on_event(sio_socket *s, sio_event *e, void *arg)
{
	const char *what = sio_event_name(e);

	(void)arg;
	switch (what[0]) {
	case 'e':
		sio_emit(sio_everyone(s), "echo", "*", e);
		break;
	case 'a':
		asked += sio_emit_ack(sio_timeout(sio_only(s), 10), on_answers, NULL, "ask", "v", sio_arg(e, 0)) == 0;
		break;
	case 'g':
		asked += sio_emit_ack(sio_to(sio_everyone(s), "all"), on_answers, NULL, "ask", "") == 0;
		break;
	case 'd':
		sio_disconnect(s, sio_argc(e) > 0);
		break;
	case 'j':
		if (sio_string(sio_arg(e, 0), NULL) != NULL)
			sio_join(s, sio_string(sio_arg(e, 0), NULL));
		break;
	case 'k':
		sio_event_release(kept);
		kept = sio_event_keep(e);
		break;
	case 'l':
		if (kept != NULL)
			(void)sio_ack(kept, "*", kept);
		break;
	case 'n':
		if (waiting != NULL)
			sio_next(waiting);
		waiting = NULL;
		break;
	default:
		(void)sio_ack(e, "*", e);
		(void)sio_set_data(s, "v", sio_arg(e, 0));
		break;
	}
}

static void
on_outgoing(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	must(!sio_wants_ack(e));
	if (sio_event_name(e)[0] == 'e')
		sio_emit(sio_only(s), "nested", "*", e);
}

static void
use_later(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	if (waiting != NULL)
		sio_refuse(waiting, "x", "n");
	waiting = step;
}

static void
use_event(sio_socket *s, sio_event *e, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	if (sio_event_name(e)[0] == 'r')
		sio_refuse(step, "no", NULL);
	else
		sio_next(step);
}

static void
listen_to(sio_nsp *nsp)
{
	sio_on_connection(nsp, on_connection, NULL);
	sio_on_disconnecting(nsp, on_disconnecting, NULL);
	sio_on_disconnect(nsp, on_disconnect, NULL);
	sio_on_any(nsp, on_event, NULL);
}

static void
start(void)
{
	struct sio_options o = fake_options();
	sio_nsp *nsp;

	o.max_pending_acks = 4;
	o.max_namespaces = 3;
	o.cleanup_empty_child_namespaces = true;
	connected = disconnecting = disconnected = asked = answered = 0;
	waiting = NULL;
	kept = NULL;
	fake_start(&o);
	listen_to(sio_of(fake_io, "/"));
	nsp = sio_of(fake_io, "/m");
	listen_to(nsp);
	sio_use(nsp, use_later, NULL);
	sio_use_events(nsp, use_event, NULL);
	sio_on_any_outgoing(nsp, on_outgoing, NULL);
	listen_to(sio_of_pattern(fake_io, "/c.*", NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;
	size_t at = 0;

	if (!quiet)
		log_set_level(LOG_ERROR);
	quiet = true;
	start();
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
			fake_sleep(n * n);
		else if (s->open)
			fake_gone(s, n % 5);
		if ((what & 16) == 0)
			fake_turn();
		at += n;
	}
	fake_turn();
	sio_core_close(fake_io);
	fake_turn();
	if (waiting != NULL)
		sio_next(waiting);
	sio_event_release(kept);
	fake_stop();
	must(disconnected == connected && answered == asked);
	return 0;
}
