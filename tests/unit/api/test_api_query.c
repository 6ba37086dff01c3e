#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/api/api_query.h"

static struct api_query q;
static struct api_fault fault;

static void
reads(bool sockets, const char *query)
{
	api_query_fini(&q);
	if (!api_query_read(&q, sockets, text_from(query), &fault))
		fail_msg("%s: %s", query, fault.message);
}

static void
refused(bool sockets, const char *query, const char *field, const char *message)
{
	struct api_query wrong;

	if (api_query_read(&wrong, sockets, text_from(query), &fault))
		fail_msg("%s was read", query);
	assert_int_equal(fault.status, 400);
	if (strcmp(fault.field, field) != 0 || strstr(fault.message, message) == NULL)
		fail_msg("%s: \"%s\": %s", query, fault.field, fault.message);
	assert_null(wrong.plain);
}

static void
test_reading(void **state)
{
	(void)state;
	reads(true, "");
	assert_true(text_is(q.nsp, TEXT("/")));
	assert_int_equal(q.limit, API_LIMIT_INITIAL);
	assert_int_equal(q.parts, API_PARTS_ALL);
	assert_int_equal(q.room_count + q.after.n, 0);
	reads(true, "namespace=%2Fchat&room=a+b&room=%C3%A9&limit=10000&cursor=x%26y&fields=id,data");
	assert_true(text_is(q.nsp, TEXT("/chat")));
	assert_int_equal(q.room_count, 2);
	assert_true(text_is(q.rooms[0], TEXT("a b")));
	assert_true(text_is(q.rooms[1], TEXT("\xc3\xa9")));
	assert_true(text_is(q.after, TEXT("x&y")));
	assert_int_equal(q.limit, 10000);
	assert_int_equal(q.parts, API_PART_DATA);
	assert_true(q.counts);
	reads(false, "limit=1&counts=false");
	assert_false(q.counts);
	assert_int_equal(q.limit, 1);
	api_query_fini(&q);
}

static void
test_refusals(void **state)
{
	char many[1024] = "";

	(void)state;
	refused(true, "namespace=chat", "namespace", "begin with");
	refused(true, "limit=0", "limit", "1 to 10000");
	refused(true, "limit=10001", "limit", "1 to 10000");
	refused(true, "limit=-1", "limit", "whole number");
	refused(true, "limit=", "limit", "whole number");
	refused(true, "limit=1&limit=2", "limit", "twice");
	refused(true, "fields=id,secrets", "fields", "handshake");
	refused(true, "cursor=%00", "cursor", "U+0000");
	refused(true, "rooms=a", "rooms", "use namespace, limit, cursor, room and fields");
	refused(false, "room=a", "room", "use namespace, limit, cursor and counts");
	refused(true, "counts=true", "counts", "unknown parameter");
	refused(false, "counts=1", "counts", "true or false");
	for (unsigned i = 0; i <= API_QUERY_ROOMS; i++)
		strcat(many, "room=r&");
	refused(true, many, "room", "64 times");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading), cmocka_unit_test(test_refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
