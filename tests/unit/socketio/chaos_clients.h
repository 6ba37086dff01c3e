/*
 * Random packets of random clients for the application of tests/chaos/chaos.h, on the engine without a network. The
 * including file plays the other nodes: it defines chaos_other_nodes_begin(), chaos_other_nodes(), which is called in
 * each turn, and chaos_other_nodes_end().
 */
#ifndef TESTS_UNIT_SOCKETIO_CHAOS_CLIENTS_H
#define TESTS_UNIT_SOCKETIO_CHAOS_CLIENTS_H

#include "node/socketio/sio_socket.h"

#define TURNS 250
#define CLIENTS 8

static void
close_core(sio_server *io)
{
	sio_core_close(io);
}

/* A namespace that the client has joined, or NULL. A packet for any other namespace closes the client. */
static const struct sio_nsp *
joined(const struct sio_client *c)
{
	const struct sio_nsp *nsp = NULL;
	unsigned n = 0;

	for (const struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if (s->state == SIO_CONNECTED && chaos_one_in(++n))
			nsp = s->nsp;
	}
	return nsp;
}

static bool
asked_for(const struct sio_client *c, const char *name)
{
	for (const struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
		if (text_is(sio_nsp_text(s->nsp), text_from(name)))
			return true;
	}
	return false;
}

static void
packet(const struct sio_client *c, char *out, size_t size)
{
	static const char *const names[] = {"/", "/a", "/later", "/strict", "/dyn-1", "/dyn-2", "/fn-yes",
		"/fn-later", "/fn-no", "/x", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	static const char *const events[] = {"[\"e\",1,{\"a\":[true]}]", "5[\"ack\",1]", "[\"f\"]",
		"1[\"keep\",[1,2]]", "7[\"ack\",{\"x\":\"\\u00e9\"}]"};
	static const char *const wrong[] = {"9", "2[", "4{}", "2/nobody,[\"e\"]", "0", "0"};
	const struct sio_nsp *nsp = joined(c);
	const char *name = nsp != NULL ? nsp->name : "/", *comma = ",";

	if (strcmp(name, "/") == 0)
		name = comma = "";
	if (chaos_one_in(150)) {
		(void)snprintf(out, size, "%s", CHAOS_PICK(wrong));
	} else if (nsp == NULL || chaos_one_in(4)) {
		name = CHAOS_PICK(names);
		(void)snprintf(out, size, "0%s,{\"token\":\"x\"}", asked_for(c, name) ? "/fn-no" : name);
		if (strncmp(out, "0/,", 3) == 0)
			(void)snprintf(out, size, "0");
	} else if (chaos_one_in(3)) {
		(void)snprintf(out, size, "3%s%s%u[%u]", name, comma, chaos_below(12), chaos_below(9));
	} else if (chaos_one_in(8)) {
		(void)snprintf(out, size, "51-%s%s[\"e\",{\"_placeholder\":true,\"num\":0}]", name, comma);
	} else if (chaos_one_in(12)) {
		(void)snprintf(out, size, "1%s%s", name, comma);
	} else {
		(void)snprintf(out, size, "2%s%s%s", name, comma, CHAOS_PICK(events));
	}
}

static void
client_turn(struct eio_session *s, unsigned which)
{
	char text[600];

	if (!s->used) {
		if (!chaos.closing)
			fake_open(which);
		return;
	}
	s->busy = chaos_one_in(5);
	if (chaos_one_in(60)) {
		fake_gone(s, (enum eio_close_reason)chaos_below(5));
		return;
	}
	packet(s->owner, text, sizeof text);
	fake_receive(s, false, text, strlen(text));
	if (text[0] == '5' && s->used && !chaos_one_in(10))
		fake_receive(s, true, "\x01\x02", 2);
}

static void
play(uint64_t seed)
{
	struct sio_options o = fake_options();

	o.cleanup_empty_child_namespaces = seed % 2 == 0;
	o.max_pending_acks = seed % 3 == 0 ? 4 : 1000;
	o.max_namespaces = seed % 5 == 0 ? 3 : 100;
	o.max_children = seed % 7 == 0 ? 2 : 100;
	o.max_rooms = seed % 4 == 0 ? 3 : 1000;
	o.max_refused_connects = seed % 6 == 0 ? 5 : 100;
	fake_start(&o);
	chaos_other_nodes_begin();
	chaos_begin(seed, fake_io, close_core);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		unsigned which = chaos_below(CLIENTS);

		client_turn(&fake_engine.sessions[which], which);
		chaos_other_nodes();
		if (chaos_one_in(5))
			chaos_tick();
		if (chaos_one_in(3))
			fake_turn();
		if (chaos_one_in(10))
			fake_sleep(chaos_below(1000));
	}
	chaos_let_go();
	sio_core_close(fake_io);
	fake_turn();
	chaos_let_go(); /* releases what was kept meanwhile */
	fake_turn();
	fake_stop();
	chaos_other_nodes_end();
	chaos_check();
}

#endif
