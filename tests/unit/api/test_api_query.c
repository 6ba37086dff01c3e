#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/api/api_query.h"

static struct api_query q;
static struct api_fault fault;

static void
reads(enum api_list list, const char *query)
{
	api_query_fini(&q);
	if (!api_query_read(&q, list, text_from(query), &fault))
		fail_msg("%s: %s", query, fault.message);
}

static void
refused(enum api_list list, const char *query, const char *field, const char *message)
{
	struct api_query wrong;

	if (api_query_read(&wrong, list, text_from(query), &fault))
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
	reads(API_LIST_SOCKETS, "");
	assert_true(text_is(q.nsp, TEXT("/")));
	assert_int_equal(q.limit, API_LIMIT_INITIAL);
	assert_int_equal(q.parts, API_PARTS_ALL);
	assert_int_equal(q.room_count + q.after.n, 0);
	reads(API_LIST_SOCKETS, "namespace=%2Fchat&room=a+b&room=%C3%A9&limit=10000&cursor=x%26y&fields=id,data");
	assert_true(text_is(q.nsp, TEXT("/chat")));
	assert_int_equal(q.room_count, 2);
	assert_true(text_is(q.rooms[0], TEXT("a b")));
	assert_true(text_is(q.rooms[1], TEXT("\xc3\xa9")));
	assert_true(text_is(q.after, TEXT("x&y")));
	assert_int_equal(q.limit, 10000);
	assert_int_equal(q.parts, API_PART_DATA);
	assert_true(q.counts);
	reads(API_LIST_ROOMS, "limit=1&counts=false");
	assert_false(q.counts);
	assert_int_equal(q.limit, 1);
	api_query_fini(&q);
}

static void
test_refusals(void **state)
{
	char many[1024] = "";

	(void)state;
	refused(API_LIST_SOCKETS, "namespace=chat", "namespace", "begin with");
	refused(API_LIST_SOCKETS, "limit=0", "limit", "1 to 10000");
	refused(API_LIST_SOCKETS, "limit=10001", "limit", "1 to 10000");
	refused(API_LIST_SOCKETS, "limit=-1", "limit", "whole number");
	refused(API_LIST_SOCKETS, "limit=", "limit", "whole number");
	refused(API_LIST_SOCKETS, "limit=1&limit=2", "limit", "twice");
	refused(API_LIST_SOCKETS, "fields=id,secrets", "fields", "handshake");
	refused(API_LIST_SOCKETS, "cursor=%00", "cursor", "U+0000");
	refused(API_LIST_SOCKETS, "rooms=a", "rooms", "use namespace, limit, cursor, room and fields");
	refused(API_LIST_ROOMS, "room=a", "room", "use namespace, limit, cursor and counts");
	refused(API_LIST_SOCKETS, "counts=true", "counts", "unknown parameter");
	refused(API_LIST_ROOMS, "counts=1", "counts", "true or false");
	for (unsigned i = 0; i <= API_QUERY_ROOMS; i++)
		strcat(many, "room=r&");
	refused(API_LIST_SOCKETS, many, "room", "64 times");
}

static void
test_history(void **state)
{
	const char *history = "use namespace, room, limit, before and after";

	(void)state;
	reads(API_LIST_HISTORY, "room=room%3Alobby");
	assert_true(text_is(q.rooms[0], TEXT("room:lobby")));
	assert_int_equal(q.limit, HISTORY_COUNT_MAX);
	assert_int_equal(q.before_id.ms + q.after_id.ms, 0);
	reads(API_LIST_HISTORY, "namespace=/chat&room=a&limit=1000&before=17-3&after=5-0");
	assert_int_equal(q.before_id.ms, 17);
	assert_int_equal(q.before_id.seq, 3);
	assert_int_equal(q.after_id.ms, 5);
	refused(API_LIST_HISTORY, "", "room", "be given");
	refused(API_LIST_HISTORY, "room=", "room", "not be empty");
	refused(API_LIST_HISTORY, "room=a&room=b", "room", "twice");
	refused(API_LIST_HISTORY, "room=a&limit=1001", "limit", "1 to 1000");
	refused(API_LIST_HISTORY, "room=a&limit=0", "limit", "1 to 1000");
	refused(API_LIST_HISTORY, "room=a&before=", "before", "the id of an event");
	refused(API_LIST_HISTORY, "room=a&after=0-0", "after", "the id of an event");
	refused(API_LIST_HISTORY, "room=a&after=x", "after", "the id of an event");
	refused(API_LIST_HISTORY, "room=a&cursor=1-0", "cursor", history);
	refused(API_LIST_HISTORY, "room=a&id=1-0", "id", history);
	api_query_fini(&q);
}

static void
test_removal(void **state)
{
	(void)state;
	reads(API_LIST_REMOVAL, "room=a&id=17-3");
	assert_int_equal(q.id.ms, 17);
	assert_false(q.all);
	reads(API_LIST_REMOVAL, "room=a&all=true");
	assert_true(q.all);
	refused(API_LIST_REMOVAL, "room=a", "id", "all=true");
	refused(API_LIST_REMOVAL, "room=a&id=", "id", "the id of an event");
	refused(API_LIST_REMOVAL, "room=a&id=0-0", "id", "the id of an event");
	refused(API_LIST_REMOVAL, "room=a&id=1-0&all=true", "id", "not both");
	refused(API_LIST_REMOVAL, "room=a&all=false", "all", "be true");
	refused(API_LIST_REMOVAL, "all=true", "room", "be given");
	refused(API_LIST_REMOVAL, "room=a&all=true&limit=1", "limit", "use namespace, room, id and all");
	api_query_fini(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_history), cmocka_unit_test(test_removal)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
