/*
 * Random calls of the public API from every callback, random packets of random clients (tests/chaos/chaos.h), on an
 * engine without a network.
 */
#include "tests/chaos/chaos.h"
#include "tests/unit/socketio/fake_engine.h"

#define SEEDS 150
#define TURNS 250
#define CLIENTS 8

static void
close_core(sio_server *io)
{
	sio_core_close(io);
}

static const char *
packet(char *out, size_t size)
{
	static const char *const packets[] = {"0", "0/a,", "0/later,{\"token\":\"x\"}", "0/strict,", "0/dyn-1,",
		"0/dyn-2,", "0/fn-yes,", "0/fn-later,", "0/fn-no,", "0/x,", "0/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,", "1",
		"1/a,", "1/strict,", "2[\"e\",1,{\"a\":[true]}]", "2/a,[\"e\",\"text\"]", "2/strict,[\"f\"]",
		"2/later,[\"e\"]", "2/dyn-1,5[\"ack\",1]", "27[\"ack\",{\"x\":\"\\u00e9\"}]",
		"2/strict,1[\"keep\",[1,2]]", "2/fn-yes,[\"e\"]", "51-[\"e\",{\"_placeholder\":true,\"num\":0}]",
		"51-/strict,8[\"f\",{\"_placeholder\":true,\"num\":0}]"};

	if (chaos_one_in(4))
		(void)snprintf(out, size, "3%s%u[%u]",
			CHAOS_PICK(((const char *[]){"", "/a,", "/strict,", "/later,"})), chaos_below(12),
			chaos_below(9));
	else if (chaos_one_in(200))
		(void)snprintf(out, size, "%s", CHAOS_PICK(((const char *[]){"9", "2[", "4{}", "2/nobody,[\"e\"]"})));
	else
		(void)snprintf(out, size, "%s", CHAOS_PICK(packets));
	return out;
}

static void
client_turn(struct eio_session *s, unsigned which)
{
	char text[128];

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
	(void)packet(text, sizeof text);
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
	chaos_begin(seed, fake_io, close_core);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		unsigned which = chaos_below(CLIENTS);

		client_turn(&fake_engine.sessions[which], which);
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
	chaos_let_go(); /* what was kept meanwhile */
	fake_turn();
	fake_stop();
	chaos_check();
}

int
main(int argc, char **argv)
{
	log_set_level(LOG_ERROR);
	return chaos_main(argc, argv, SEEDS, true, play);
}
