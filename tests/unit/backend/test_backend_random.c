/*
 * Backends send anything in any order while clients and links come and go. Nothing is used after its end, and at the
 * end nothing is left, as the clients' end asserts. Each run has the same inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/backend/backend_session.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

#define LINKS 4
#define CLIENTS 6
#define ROUNDS 40
#define STEPS 400

static uint64_t seed;

static unsigned
dice(unsigned sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % sides;
}

#define PICK(list) list[dice(sizeof list / sizeof list[0])]

/* ------------------------------------------------------------------ frames */

static void
add_text(const char *text)
{
	buffer_add_text(&link_parts, text_from(text));
}

/* Parts that make sense half of the time, in an order that seldom does. */
static void
any_body(void)
{
	static const char *const texts[] = {"[\"e\",1]", "[\"e\"," P(0) "]", "[]", "[1,[2,{\"a\":3}]]",
		"{\"message\":\"m\"}", "{\"allow\":true,\"headers\":[[\"A\",\"b\"]]}",
		"{\"allow\":false,\"status\":404}", "[\"connect\"]", "{", "", "\xff\xfe", "\"text\""};
	static const char *const rooms[] = {"", "r", "r,s", "a,b,c,d,e"};

	for (unsigned n = dice(4); n > 0; n--) {
		switch (dice(4)) {
		case 0:
			part_rooms(PICK(rooms));
			break;
		case 1:
			part_number(dice(40), 4);
			break;
		default:
			add_text(PICK(texts));
		}
	}
}

static void
any_frame(unsigned i)
{
	static const uint8_t flags[] = {0, BACKEND_F_ACK, BACKEND_F_BIN, BACKEND_F_TIMED | BACKEND_F_ACK,
		BACKEND_F_WIDE, BACKEND_F_VOLATILE, BACKEND_F_CLOSE, 0xff};
	struct backend_frame f = {.type = (uint8_t)dice(BACKEND_TYPES + 2),
		.flags = PICK(flags),
		.nsp = (uint16_t)dice(4),
		.handle = dice(30),
		.id = dice(20)};

	any_body();
	(void)link_sends_parts(i, f);
}

/* A well-formed frame; without these, little would happen. */
static void
good_frame(unsigned i)
{
	uint32_t handle = 1 + dice(fake_links[i].handles + 1);

	switch (dice(9)) {
	case 0:
	case 1:
	case 2:
		(void)link_gets(i, BACKEND_ACCEPT, 0, handle, 0, "");
		break;
	case 3:
		(void)link_gets(i, BACKEND_EMIT, BACKEND_F_ACK, handle, dice(9), "[\"q\"]");
		break;
	case 4:
		(void)link_casts(i, dice(2) ? BACKEND_F_ACK : 0, dice(9), dice(2) ? "" : "r", "", "[\"all\"]");
		break;
	case 5:
		(void)link_rooms(i, dice(2) ? BACKEND_JOIN : BACKEND_LEAVE, handle, "r,s");
		break;
	case 6:
		(void)link_gets(i, BACKEND_NSPANSWER, dice(3) ? BACKEND_F_ACK : 0, 0, dice(40), "");
		break;
	case 7:
		(void)link_gets(i, BACKEND_HANDOFF, 0, handle, 0, "");
		break;
	default:
		(void)link_gets(i, BACKEND_ACK, 0, handle, dice(9), "[1]");
	}
}

/* ------------------------------------------------------------------- steps */

static void
link_step(unsigned i)
{
	struct backend_link *link = &fake_links[i];
	struct backend_hello hello = link_hello("r");

	if (!link->ready) {
		static const enum backend_on_loss losses[] = {BACKEND_ON_LOSS_REATTACH, BACKEND_ON_LOSS_REATTACH,
			BACKEND_ON_LOSS_RECONNECT, BACKEND_ON_LOSS_CLOSE};
		static const struct text names[] = {{"/a", 2}};

		hello.on_loss = PICK(losses);
		if (i == 0) {
			hello.group = TEXT("other");
			hello.namespaces = names;
			hello.namespace_count = 1;
		}
		(void)link_ready(i, &hello);
		strcpy(link->theirs[0], "/a");
		return;
	}
	switch (dice(40)) {
	case 0:
		link_lost(i);
		return;
	case 1:
		if (!link->draining)
			link_drain(i);
		break;
	case 2:
		link->room = 1 + dice(5);
		break;
	case 3:
	case 4:
		link->room = 0;
		if (link->stalled)
			link_window(i);
		break;
	case 5:
	case 6:
		any_frame(i);
		break;
	default:
		good_frame(i);
	}
	buffer_reset(&link->sent);
}

static void
client_step(unsigned i)
{
	static const char *const packets[] = {"0", "0/a,", "0/b,", "0/b,{\"t\":1}", "2[\"x\"]", "2[\"x\"]",
		"2[\"x\"]", "27[\"y\",1]", "2/a,[\"x\"]", "2/b,[\"x\"]", "30[1]", "31[]", "3/a,0[2]", "1", "1/a,"};

	if (!client(i)->used)
		(void)fake_open(i);
	else if (dice(60) == 0)
		fake_gone(client(i), EIO_TRANSPORT_CLOSE);
	else if (dice(90) == 0)
		sio_core_ops()->on_upgrade(client(i), client(i)->owner);
	else if (client(i)->open)
		receive(i, PICK(packets));
	client(i)->read = client(i)->sent.len;
}

static void
test_anything(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct backend_limits limits = fake_limits();

		seed = round;
		limits.orphan_queue = 200 + dice(400);
		limits.orphan_total = 600;
		limits.reattach_rate = 50 + dice(500);
		limits.wait = 100 + dice(1000);
		limits.away = dice(300);
		backends_start(&limits);
		for (unsigned step = 0; step < STEPS; step++) {
			link_step(dice(LINKS));
			client_step(dice(CLIENTS));
			if (dice(3) == 0)
				fake_turn();
			if (dice(9) == 0)
				fake_sleep(1 + dice(60));
		}
		backends_stop();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anything),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
