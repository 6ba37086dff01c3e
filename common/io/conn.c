/*
 * The core and the life of a connection. Input is in conn_input.c, output in conn_queue.c, and the transport of bytes
 * in stream_plain.c and stream_tls.c.
 *
 *   state         event                            next state
 *   handshaking   TLS handshake complete           open
 *                 tls_ms passed                    dead (tls-timeout)
 *   open          conn_finish()                    finishing
 *                 peer's FIN, no on_eof            finishing (peer-closed)
 *                 peer's FIN, on_eof               open, input ended
 *   open          conn_end(), queue written        open, FIN sent, input continues
 *   finishing     queue written, FIN sent          lingering (dead if the peer's FIN came first)
 *   lingering     peer's FIN, or linger_ms passed  dead (with the reason of conn_finish())
 *   open, finishing   no byte accepted in stall_ms dead (stalled)
 *   open          a write fails                    write failed: input continues, nothing is queued any more
 *   write failed  end of input, or nothing to read dead (reset)
 *                 time limit of the state          dead (reset)
 *                 conn_finish()                    dead
 *   any           conn_close(), a read fails       dead
 *   dead          end of the turn                  on_closed, freed
 */
#include "common/io/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/conn_internal.h"
#include "common/io/tls_internal.h"

_Static_assert(sizeof(struct conn) <= 256, "an idle connection must stay small");
_Static_assert(NAMES_MAX <= 256, "a close reason fits into struct conn");

/* Services such as the bus write before clients, because other nodes wait for them. */
static struct list *
conn_dirty_place(const struct conn *c)
{
	struct list *dirty = &loop_of(c)->dirty, *at = dirty->next;

	if (!c->service)
		return dirty;
	while (!c->ahead && at != dirty && list_entry(at, struct conn, link)->ahead)
		at = at->next;
	return at;
}

void
conn_relink(struct conn *c)
{
	struct loop *l = loop_of(c);

	list_remove(&c->link);
	if (c->dead)
		list_add_tail(&l->dead, &c->link);
	else if (c->resume)
		list_add_tail(&l->resumed, &c->link);
	else if (c->dirty)
		list_add_tail(conn_dirty_place(c), &c->link);
}

/* Services come after the beginning of a turn (EV_MAXPRI) and before clients (0). */
#define SERVICE_PRIORITY 1

static int
conn_wanted_events(const struct conn *c)
{
	int events = 0;

	if (c->handshaking)
		return c->read_waits_write ? EV_WRITE : EV_READ;
	if (c->read_waits_write)
		events |= EV_WRITE;
	else if (!c->eof && !c->paused && !c->heavy)
		events |= EV_READ;
	if (c->blocked && !c->write_failed)
		events |= c->write_waits_read ? EV_READ : EV_WRITE;
	return events;
}

void
conn_update_events(struct conn *c)
{
	if (c->dead)
		return;
	int wanted = conn_wanted_events(c);
	int now = ev_is_active(&c->io) ? c->io.events & (EV_READ | EV_WRITE) : 0;

	if (wanted == now)
		return;
	ev_io_stop(loop_of(c)->ev, &c->io);
	if (wanted != 0) {
		ev_io_modify(&c->io, wanted);
		ev_io_start(loop_of(c)->ev, &c->io);
	}
}

void
conn_stream_failed(struct conn *c, int64_t result)
{
	conn_close(c, result == STREAM_TLS ? REASON_TLS : result == STREAM_GONE ? REASON_PEER_CLOSED : REASON_RESET);
}

void
conn_handshake(struct conn *c)
{
	int result = stream_of(c)->handshake(c);

	loop_spend(loop_of(c), LOOP_WORK_HANDSHAKE);
	if (result == STREAM_WAIT && !c->write_failed) {
		conn_update_events(c);
		return;
	}
	if (result < 0) {
		conn_stream_failed(c, result);
		return;
	}
	c->handshaking = false;
	if (!c->write_failed)
		loop_disarm(loop_of(c), &c->guard);
	if (c->out.bytes > 0 || c->finishing)
		conn_mark_dirty(c);
	/* the request often arrives with the last handshake message, where no poll reports it */
	conn_read(c);
}

static void
conn_on_ready(struct ev_loop *ev, struct ev_io *watcher, int revents)
{
	struct conn *c = container_of(watcher, struct conn, io);

	(void)ev;
	if (c->blocked && (revents & (c->write_waits_read ? EV_READ : EV_WRITE))) {
		/* the flush of this turn writes, together with what is queued until then */
		c->blocked = c->write_waits_read = false;
		conn_mark_dirty(c);
	}
	if (!c->handshaking &&
		(c->paused || c->eof || c->heavy || !(revents & (c->read_waits_write ? EV_WRITE : EV_READ))))
		conn_update_events(c);
	else if (loop_turn_spent(loop_of(c)) && (!c->service || c->patient))
		conn_put_off(c, false);
	else if (c->handshaking)
		conn_handshake(c);
	else
		conn_read(c);
}

static void
conn_on_deadline(struct wheel_entry *entry)
{
	struct conn *c = container_of(entry, struct conn, deadline);

	c->on_deadline(c);
}

static void
conn_on_guard(struct wheel_entry *entry)
{
	struct conn *c = container_of(entry, struct conn, guard);

	/* while lingering, conn_close() keeps the reason of conn_finish() */
	conn_close(c, c->handshaking ? REASON_TLS_TIMEOUT : c->write_failed ? REASON_RESET : REASON_STALLED);
}

static void
conn_set_peer(struct conn *c, const struct sockaddr *peer, socklen_t len)
{
	if (peer == NULL || len < sizeof(sa_family_t))
		return;
	if (peer->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)peer;

		memcpy(c->peer_address, &in->sin_addr, sizeof(in->sin_addr));
		c->peer_port = ntohs(in->sin_port);
		c->peer_family = AF_INET;
	} else if (peer->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

		memcpy(c->peer_address, &in6->sin6_addr, sizeof(in6->sin6_addr));
		c->peer_port = ntohs(in6->sin6_port);
		c->peer_family = AF_INET6;
	}
}

struct conn *
conn_new(struct loop *l, int fd, const struct sockaddr *peer, socklen_t peer_len, struct tls_context *tls,
	const struct conn_limits *limits, const struct conn_ops *ops, void *owner)
{
	struct conn *c = small_zalloc(sizeof(*c));

	must(limits->max_kept <= LOOP_SCRATCH_SIZE / 2);
	list_init(&c->link);
	c->ops = ops;
	c->owner = owner;
	c->limits = limits;
	conn_set_peer(c, peer, peer_len);
	wheel_entry_init(&c->deadline, conn_on_deadline);
	wheel_entry_init(&c->guard, conn_on_guard);
	ev_io_init(&c->io, conn_on_ready, fd, EV_READ);
	c->io.data = l;
	list_add_tail(&l->open, &c->open);
	l->connections++;
	if (tls != NULL) {
		c->handshaking = true;
		stream_tls_start(c, tls);
		if (tls_context_server_name(tls) != NULL) /* a TLS client sends first */
			ev_io_set(&c->io, fd, EV_READ | EV_WRITE);
		loop_arm(l, &c->guard, limits->tls_ms);
	}
	ev_io_start(l->ev, &c->io);
	return c;
}

void
conn_set_service(struct conn *c)
{
	struct loop *l = loop_of(c);

	must(!c->service && !c->put_off);
	must(c->kept == NULL && c->held == 0 && !c->out.chunked);
	l->queued -= c->out.bytes;
	l->service_queued += c->out.bytes;
	c->service = true;
	list_remove(&c->open);
	l->connections--;
	l->services++;
	if (ev_is_active(&c->io)) {
		ev_io_stop(l->ev, &c->io);
		ev_set_priority(&c->io, SERVICE_PRIORITY);
		ev_io_start(l->ev, &c->io);
	} else {
		ev_set_priority(&c->io, SERVICE_PRIORITY);
	}
}

void
conn_set_patient(struct conn *c)
{
	c->patient = true;
}

void
conn_set_ahead(struct conn *c)
{
	c->ahead = true;
}

void
conn_hold(struct conn *c, size_t bytes)
{
	uint32_t held = (uint32_t)((bytes + HELD_UNIT - 1) / HELD_UNIT);

	if (held == c->held)
		return;
	if (!c->service) {
		budget_add(&loop_of(c)->budget, (uint64_t)held * HELD_UNIT);
		budget_sub(&loop_of(c)->budget, (uint64_t)c->held * HELD_UNIT);
	}
	c->held = held;
}

void
conn_no_memory(struct conn *c)
{
	if (c->dead)
		return;
	loop_count_no_memory(loop_of(c));
	conn_close(c, REASON_NO_MEMORY);
}

uint64_t
conn_give_up(struct conn *c)
{
	conn_close(c, REASON_MEMORY);
	conn_queue_clear(c);
	return conn_memory(c);
}

void
conn_close(struct conn *c, unsigned reason)
{
	if (c->dead)
		return;
	if (!c->finishing)
		c->reason = (unsigned)reason & 0xff;
	c->dead = true;
	ev_io_stop(loop_of(c)->ev, &c->io);
	loop_disarm(loop_of(c), &c->deadline);
	loop_disarm(loop_of(c), &c->guard);
	conn_relink(c);
}

void
conn_reset(struct conn *c, unsigned reason)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	if (!c->dead)
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	conn_close(c, reason);
}

void
conn_finish(struct conn *c, unsigned reason)
{
	if (c->dead || c->finishing)
		return;
	c->reason = (unsigned)reason & 0xff;
	c->finishing = true;
	c->corked = false;
	c->paused = c->resume = false;
	conn_drop_kept(c);
	if (c->write_failed || (c->handshaking && c->out.bytes == 0)) {
		conn_close(c, reason);
		return;
	}
	if (c->blocked)
		conn_guard_end(c);
	conn_mark_dirty(c);
	conn_update_events(c);
}

void
conn_end(struct conn *c)
{
	if (c->dead || c->finishing || c->ending)
		return;
	c->ending = true;
	c->corked = false;
	conn_mark_dirty(c);
}

void
conn_each(struct loop *l, void (*visit)(struct conn *c, void *user), void *user)
{
	struct list *const heads[] = {&l->open, &l->put_off, &l->heavy, &l->serving};

	for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
		for (struct list *at = heads[i]->next; at != heads[i]; at = at->next) {
			struct conn *c = list_entry(at, struct conn, open);

			if (!c->service)
				visit(c, user);
		}
	}
}

static void
conn_finish_visit(struct conn *c, void *reason)
{
	conn_finish(c, *(unsigned *)reason);
}

void
conn_finish_all(struct loop *l, unsigned reason)
{
	conn_each(l, conn_finish_visit, &reason);
}

static void
conn_close_visit(struct conn *c, void *reason)
{
	conn_close(c, *(unsigned *)reason);
}

void
conn_close_all(struct loop *l, unsigned reason)
{
	conn_each(l, conn_close_visit, &reason);
}

void
conn_bury(struct conn *c)
{
	struct loop *l = loop_of(c);
	int fd = c->io.fd;

	list_remove(&c->link);
	list_remove(&c->open);
	if (c->service) {
		l->services--;
	} else {
		l->connections--;
		l->closed[c->reason]++;
	}
	c->ops->on_closed(c, c->reason);
	stream_of(c)->free(c);
	conn_queue_clear(c);
	conn_drop_kept(c);
	conn_hold(c, 0);
	small_free(c, sizeof(*c));
	close(fd);
}

void
conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner)
{
	c->ops = ops;
	c->owner = owner;
	c->owner_changed = true;
	c->undrained = false;
	conn_hold(c, 0);
}

void
conn_want_drain(struct conn *c, bool wanted)
{
	c->undrained = !wanted;
}

void *
conn_owner(const struct conn *c)
{
	return c->owner;
}

struct loop *
conn_loop(const struct conn *c)
{
	return loop_of(c);
}

struct counters *
conn_counters(const struct conn *c)
{
	struct loop *l = loop_of(c);

	return c->service ? &l->service_counters : &l->counters;
}

bool
conn_continues(const struct conn *c)
{
	return c->continues;
}

bool
conn_share_spent(const struct conn *c)
{
	return loop_share_spent(loop_of(c));
}

bool
conn_dead(const struct conn *c)
{
	return c->dead;
}

bool
conn_sends(const struct conn *c)
{
	return !c->dead && !c->finishing && !c->ending;
}

bool
conn_finishing(const struct conn *c)
{
	return c->finishing;
}

bool
conn_is_tls(const struct conn *c)
{
	return c->ssl != NULL || c->secure;
}

void
conn_set_secure(struct conn *c)
{
	c->secure = true;
}

bool
conn_is_movable(const struct conn *c)
{
	return c->ssl == NULL;
}

void
conn_set_limits(struct conn *c, const struct conn_limits *limits)
{
	must(limits->max_kept <= LOOP_SCRATCH_SIZE / 2);
	c->limits = limits;
}

int
conn_fd(const struct conn *c)
{
	return c->io.fd;
}

void
conn_set_deadline(struct conn *c, uint64_t after_ms, void (*fire)(struct conn *c))
{
	c->on_deadline = fire;
	if (after_ms == 0 || c->dead)
		loop_disarm(loop_of(c), &c->deadline);
	else
		loop_arm(loop_of(c), &c->deadline, after_ms);
}

/*
 * Writes an IPv4 address. inet_ntop() uses printf and is too slow to run per connection. Returns the length without
 * the NUL.
 */
static size_t
conn_write_ipv4(const uint8_t address[4], char *out)
{
	char *at = out;

	for (int i = 0; i < 4; i++) {
		unsigned n = address[i];

		if (n >= 100)
			*at++ = (char)('0' + n / 100);
		if (n >= 10)
			*at++ = (char)('0' + n / 10 % 10);
		*at++ = (char)('0' + n % 10);
		*at++ = '.';
	}
	*--at = '\0';
	return (size_t)(at - out);
}

struct text
conn_peer_address(const struct conn *c, char out[CONN_ADDRESS_MAX])
{
	out[0] = '\0';
	if (c->peer_family == AF_INET)
		return text_of(out, conn_write_ipv4(c->peer_address, out));
	if (c->peer_family != 0)
		must(inet_ntop(c->peer_family, c->peer_address, out, CONN_ADDRESS_MAX) != NULL);
	return text_from(out);
}

socklen_t
conn_peer(const struct conn *c, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (c->peer_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		memcpy(&in->sin_addr, c->peer_address, sizeof(in->sin_addr));
		in->sin_port = htons(c->peer_port);
		in->sin_family = AF_INET;
		return sizeof(*in);
	}
	if (c->peer_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		memcpy(&in6->sin6_addr, c->peer_address, sizeof(in6->sin6_addr));
		in6->sin6_port = htons(c->peer_port);
		in6->sin6_family = AF_INET6;
		return sizeof(*in6);
	}
	return 0;
}
