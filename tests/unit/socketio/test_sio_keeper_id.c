#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/base64.h"
#include "node/socketio/sio_keeper_id.h"

#define LENGTH 64

static void
every_character_comes_back(void **state)
{
	uint8_t packed[SIO_KEEPER_PACKED(LENGTH)];
	char id[LENGTH], back[LENGTH];

	(void)state;
	for (unsigned turn = 0; turn < LENGTH; turn++) {
		for (unsigned i = 0; i < LENGTH; i++)
			id[i] = base64url_alphabet[(i * 5 + turn) % LENGTH];
		assert_true(sio_keeper_id_pack(text_of(id, LENGTH), packed));
		sio_keeper_id_unpack(packed, LENGTH, back);
		assert_memory_equal(back, id, LENGTH);
	}
	/* as base64 packs them */
	assert_true(sio_keeper_id_pack(TEXT("c29ja2V5"), packed));
	assert_memory_equal(packed, "sockey", 6);
}

static void
other_characters_are_refused(void **state)
{
	uint8_t packed[SIO_KEEPER_PACKED(8)];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned at = 0; at < 8; at++) {
			char id[] = "AAAA____";

			id[at] = (char)c;
			assert_int_equal(sio_keeper_id_pack(text_of(id, 8), packed),
				c != 0 && strchr(base64url_alphabet, (int)c) != NULL);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_comes_back),
		cmocka_unit_test(other_characters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
