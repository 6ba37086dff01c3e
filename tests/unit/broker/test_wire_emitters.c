/* Reads what emitters in other languages publish (tests/data/wire/emitters.txt, made by emitters.mjs). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/wire.h"
#include "common/base/error.h"
#include "tests/unit/broker/vectors.h"

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
every_shape_is_read(void **state)
{
	static const struct {
		const char *name, *rooms, *data;
		unsigned flags;
	} cases[] = {
		{"opts-empty-array", "", "[\"news\",1]", 0},
		{"opts-absent", "", "[\"news\",1]", 0},
		{"opts-nil", "", "[\"news\",1]", 0},
		{"opts-empty-map", "", "[\"news\",1]", 0},
		{"php-no-rooms", "", "[\"news\",1]", 0},
		{"php-rooms", "red ", "[\"news\",1]", 0},
		{"php-flag", "", "[\"news\",1]", WIRE_VOLATILE},
		{"python-none", "", "[\"news\",1]", 0},
		{"python-rooms", "red blue ", "[\"news\",1]", 0},
		{"lua-empty-tables", "", "[\"news\",1]", 0},
		{"lua-number-flag", "", "[\"news\",1]", WIRE_VOLATILE},
		{"no-uid", "", "[\"news\",1]", 0},
		{"no-nsp", "", "[\"news\",1]", 0},
		{"nil-nsp", "", "[\"news\",1]", 0},
		{"numeric-room", "7 ", "[\"news\",1]", 0},
		{"old-raw", "", "[\"news\",\"" LONG "\"]", 0},
		{"new-str8", "", "[\"news\",\"" LONG "\"]", 0},
		{"wide-heads", "", "[\"news\",1]", 0},
		{"binary-event", "", "[\"news\",{\"_placeholder\":true,\"num\":0}]", 0},
		{"more-elements", "", "[\"news\",1]", 0},
	};
	struct wire_message m;

	(void)state;
	wire_message_init(&m);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct text payload = vector_of("tests/data/wire/emitters.txt", cases[i].name);
		int rc = wire_read_broadcast(&m, payload);
		char rooms[64] = "";

		if (rc < 0)
			fail_msg("%s: %s", cases[i].name, error_text(rc));
		for (unsigned r = 0; r < m.target.room_count; r++) {
			strncat(rooms, m.target.rooms[r].at, m.target.rooms[r].n);
			strcat(rooms, " ");
		}
		assert_string_equal(rooms, cases[i].rooms);
		assert_true(m.has_target && m.target.except_count == 0);
		assert_int_equal(m.target.flags, cases[i].flags);
		assert_true(text_is(m.nsp, TEXT("/")));
		if (!text_is(m.data, text_from(cases[i].data)))
			fail_msg("%s: %.*s", cases[i].name, (int)m.data.n, m.data.at);
	}
	wire_message_fini(&m);
}

/* Empty options address everyone. Other values in their place are refused. */
static void
other_options_are_refused(void **state)
{
	static const char *const bytes[] = {
		"\x93\xa1u\x82\xa4type\x02\xa4"
		"data\x91\xa1"
		"e\x91\xa1r",
		"\x93\xa1u\x82\xa4type\x02\xa4"
		"data\x91\xa1"
		"e\xa1r",
		"\x93\xa1u\x82\xa4type\x02\xa4"
		"data\x91\xa1"
		"e\x81\xa5rooms\xa1r",
		"\x93\xa1u\x82\xa4type\x02\xa4"
		"data\x91\xa1"
		"e\x81\xa5rooms\x81\x01\xa1r",
	};
	struct wire_message m;

	(void)state;
	wire_message_init(&m);
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
		assert_int_equal(wire_read_broadcast(&m, text_from(bytes[i])), ERROR_SYNTAX);
	wire_message_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_is_read), cmocka_unit_test(other_options_are_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
