/* Tags by a shared secret. `openssl dgst -sha256 -mac HMAC` made the vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/seal.h"

static void
tags_are_those_of_hmac(void **state)
{
	static const struct {
		const char *secret, *channel, *message;
		uint8_t tag[SEAL_TAG];
	} rows[] = {
		{"secret", "c", "m",
			{0x59, 0xd4, 0x82, 0x6a, 0x08, 0x70, 0x5f, 0x0a, 0x89, 0xda, 0xd2, 0x89, 0x84, 0x43, 0x9e,
				0x54}},
		{"k", "", "",
			{0xb8, 0xc8, 0xc5, 0xf5, 0xf7, 0x7a, 0x2c, 0xee, 0xab, 0x1c, 0x1e, 0xd2, 0x92, 0xf7, 0xf5,
				0x60}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct seal *s = seal_new(text_from(rows[i].secret));

		for (unsigned again = 0; again < 3; again++) {
			struct buffer b;

			buffer_init(&b, 100);
			buffer_add_text(&b, text_from(rows[i].message));
			seal_add(s, text_from(rows[i].channel), &b);
			assert_int_equal(b.len, strlen(rows[i].message) + SEAL_TAG);
			assert_memory_equal(b.data + b.len - SEAL_TAG, rows[i].tag, SEAL_TAG);
			buffer_fini(&b);
		}
		seal_free(s);
	}
	seal_free(NULL);
}

static void
any_change_is_seen(void **state)
{
	struct seal *s = seal_new(TEXT("secret")), *other = seal_new(TEXT("Secret"));
	struct buffer b;
	struct text t;

	(void)state;
	buffer_init(&b, 100);
	buffer_add_text(&b, TEXT("message"));
	seal_add(s, TEXT("channel"), &b);
	t = buffer_text(&b);
	assert_true(seal_take(s, TEXT("channel"), &t));
	assert_true(text_is(t, TEXT("message")));
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		t = buffer_text(&b);
		assert_false(seal_take(s, TEXT("channel"), &t));
		assert_int_equal(t.n, b.len);
		b.data[i] ^= 1;
		t = text_of((const char *)b.data, i);
		assert_false(seal_take(s, TEXT("channel"), &t));
	}
	t = buffer_text(&b);
	assert_false(seal_take(s, TEXT("channelm"), &t));
	t = text_of((const char *)b.data + 1, b.len - 1);
	assert_false(seal_take(s, TEXT("channelm"), &t)); /* the same bytes in a different split */
	t = buffer_text(&b);
	assert_false(seal_take(other, TEXT("channel"), &t));
	buffer_fini(&b);
	seal_free(s);
	seal_free(other);
}

static void
a_second_secret_is_accepted_but_not_used(void **state)
{
	struct seal *old = seal_new(TEXT("old")), *new = seal_new(TEXT("new")), *both = seal_new(TEXT("new"));
	struct seal *stranger = seal_new(TEXT("other"));
	struct buffer b;
	struct text t;

	(void)state;
	seal_accept(both, TEXT("old"));
	buffer_init(&b, 100);
	buffer_add_text(&b, TEXT("message"));
	seal_add(old, TEXT("channel"), &b);
	t = buffer_text(&b);
	assert_true(seal_take(both, TEXT("channel"), &t));
	assert_true(text_is(t, TEXT("message")));
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		t = buffer_text(&b);
		assert_false(seal_take(both, TEXT("channel"), &t));
		b.data[i] ^= 1;
	}
	b.len -= SEAL_TAG;
	seal_add(both, TEXT("channel"), &b);
	t = buffer_text(&b);
	assert_false(seal_take(old, TEXT("channel"), &t));
	assert_true(seal_take(new, TEXT("channel"), &t));
	b.len -= SEAL_TAG;
	seal_add(stranger, TEXT("channel"), &b);
	t = buffer_text(&b);
	assert_false(seal_take(both, TEXT("channel"), &t));
	buffer_fini(&b);
	seal_free(old);
	seal_free(new);
	seal_free(both);
	seal_free(stranger);
}

static void
a_tag_may_be_made_in_pieces(void **state)
{
	struct seal *seal = seal_new(TEXT("secret")), *plain = seal_new(TEXT("secret"));
	struct seal_pass *pass;
	struct buffer whole;
	uint8_t tag[SEAL_TAG];

	(void)state;
	assert_null(seal_pass_new(seal, SEAL_ACCEPTED, TEXT("c")));
	seal_accept(seal, TEXT("older"));
	buffer_init(&whole, 100);
	buffer_add_text(&whole, TEXT("message"));
	seal_add(plain, TEXT("c"), &whole);
	pass = seal_pass_new(seal, SEAL_OWN, TEXT("c"));
	seal_pass_update(pass, TEXT("mess"));
	buffer_add_text(&whole, TEXT("x"));
	seal_add(seal, TEXT("d"), &whole); /* another message meanwhile */
	seal_pass_update(pass, TEXT("age"));
	seal_pass_end(pass, tag);
	assert_memory_equal(tag, whole.data + 7, SEAL_TAG);
	seal_pass_free(pass);
	for (enum seal_secret secret = SEAL_OWN; secret <= SEAL_ACCEPTED; secret++) {
		pass = seal_pass_new(seal, secret, TEXT("c"));
		seal_pass_update(pass, TEXT("message"));
		assert_int_equal(seal_pass_matches(pass, tag), secret == SEAL_OWN);
		seal_pass_free(pass);
	}
	buffer_fini(&whole);
	seal_free(seal);
	seal_free(plain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_those_of_hmac),
		cmocka_unit_test(any_change_is_seen),
		cmocka_unit_test(a_second_secret_is_accepted_but_not_used),
		cmocka_unit_test(a_tag_may_be_made_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
