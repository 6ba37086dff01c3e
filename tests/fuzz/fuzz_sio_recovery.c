/*
 * A client that is lost and comes back with true and with hostile pids and offsets, while events go to hostile rooms.
 * The input is a list of lines: the first character selects the step, the rest is its text.
 *
 *   c           is lost
 *   O           comes back with its own pid and offset
 *   o offset    comes back with its own pid and this offset; * stands for the epoch of the log
 *   p pid       comes back with this pid and its own offset
 *   a members   comes back with its own pid and these members of the auth
 *   n           comes back at another namespace
 *   e           an event to all
 *   r room      an event to a room
 *   x room      an event to all except a room
 *   v text      a volatile event that ends with this string
 *   j room      joins
 *   l room      leaves
 *   d text      sets its data
 *   s           10 s pass
 *
 * - An offset that the log accepts is the text that the log writes for its number.
 * - A recovered client gets the last events to all, in order. If pid and offset are its own, it gets those that it
 *   missed, each once.
 * - A client at another namespace is never recovered.
 */
#include "tests/unit/socketio/recovering.h"

#define LINE_MAX 400
#define STEPS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct recovering client;
static int emitted, seen;
static bool honest; /* the client has continued its session with its own offsets only */

static void
options_of_test(struct sio_options *options)
{
	options->max_disconnection_duration = 30000;
	options->recovery_max_bytes = 4096;
}

static void
look_at_offset(const char *text)
{
	const struct sio_recovery_log *log = sio_of(fake_io, "/")->log;
	char again[SIO_OFFSET_LONG + 1];
	uint64_t number;

	if (!sio_recovery_offset_read(log, text_from(text), &number))
		return;
	must(number <= log->head);
	must(text_is(text_of(again, sio_recovery_offset_write(log, number, false, again)), text_from(text)));
}

static void
take_events(void)
{
	if (client.session != NULL)
		recovering_read(&client);
	for (unsigned i = 0; i < client.count; i++)
		must(i == 0 || client.got[i] == client.got[i - 1] + 1);
	if (client.count != 0) {
		seen = client.got[client.count - 1];
		must(seen == emitted);
	}
	client.count = 0;
}

static void
lose(void)
{
	if (client.session != NULL && client.session->open)
		recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	client.session = NULL;
	client.connected = false;
}

/* Comes back. Copies the texts first: they may be the client's own, which the reply replaces. */
static void
come_back(const char *pid, const char *offset, bool own)
{
	char pid_copy[LINE_MAX], offset_copy[SIO_EPOCH_LENGTH + LINE_MAX];
	int missed = emitted - seen;

	lose();
	(void)snprintf(pid_copy, sizeof pid_copy, "%s", pid);
	(void)snprintf(offset_copy, sizeof offset_copy, "%s", offset);
	recovering_claim(&client, pid_copy, offset_copy[0] != '\0' ? offset_copy : NULL);
	must(!client.recovered || client.nsp == NULL);
	if (client.recovered && own && honest)
		must((int)client.count == missed);
	if (!client.connected || !client.recovered)
		must(client.count == 0);
	take_events();
	if (!client.connected)
		return;
	seen = emitted;
	honest = !client.recovered || (honest && own);
	if (!client.recovered)
		client.offset[0] = '\0';
}

static void
visit_another_namespace(void)
{
	struct recovering own = client;
	int own_seen = seen;
	bool own_honest = honest;

	lose();
	client.nsp = "/other";
	come_back(client.pid, client.offset, false);
	lose();
	client = own;
	client.session = NULL;
	seen = own_seen;
	honest = own_honest;
	come_back(client.pid, client.offset, true);
}

static void
come_back_with(const char *members)
{
	client.auth = members;
	come_back(client.pid, "", false);
	client.auth = NULL;
}

static void
come_back_after(const char *text)
{
	char offset[SIO_EPOCH_LENGTH + LINE_MAX];

	if (text[0] == '*')
		(void)snprintf(offset, sizeof offset, "%.*s%s", SIO_EPOCH_LENGTH, sio_of(fake_io, "/")->log->epoch,
			text + 1);
	else
		(void)snprintf(offset, sizeof offset, "%s", text);
	look_at_offset(offset);
	come_back(client.pid, offset, false);
}

static void
step(char what, const char *text)
{
	sio_nsp *nsp = sio_of(fake_io, "/");
	sio_socket *s = client.connected ? recovering_socket(&client) : NULL;

	switch (what) {
	case 'O':
		come_back(client.pid, client.offset, true);
		break;
	case 'o':
		come_back_after(text);
		break;
	case 'c':
		lose();
		break;
	case 'p':
		come_back(text, client.offset, false);
		break;
	case 'a':
		come_back_with(text);
		break;
	case 'n':
		visit_another_namespace();
		break;
	case 'e':
		sio_emit(sio_all(nsp), "e", "i", (int64_t)++emitted);
		break;
	case 'r':
		sio_emit(sio_to(sio_all(nsp), text), "other", "");
		break;
	case 'x':
		sio_emit(sio_except(sio_all(nsp), text), "other", "");
		break;
	case 'v':
		sio_emit(sio_volatile(sio_all(nsp)), "volatile", "s", text);
		break;
	case 'j':
		if (s != NULL)
			sio_join(s, text);
		break;
	case 'l':
		if (s != NULL)
			sio_leave(s, text);
		break;
	case 'd':
		if (s != NULL)
			(void)sio_set_data(s, "s", text);
		break;
	case 's':
		fake_sleep(10000);
		break;
	default:
		break;
	}
	if (client.connected)
		take_events();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *at = (const char *)data, *end = at + n;
	char text[LINE_MAX];

	memset(&client, 0, sizeof client);
	emitted = seen = 0;
	honest = true;
	recovering_start(options_of_test);
	sio_of(fake_io, "/other");
	recovering_return(&client);
	for (unsigned i = 0; i < STEPS_MAX && at < end; i++) {
		const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((stop != NULL ? stop : end) - line);

		at = stop != NULL ? stop + 1 : end;
		if (length == 0 || length >= sizeof text)
			continue;
		memcpy(text, line + 1, length - 1);
		text[length - 1] = '\0';
		step(line[0], text);
	}
	lose();
	recovering_stop();
	return 0;
}
