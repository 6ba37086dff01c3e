/* Bodies of POST requests: what is read, and the answer to each wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "node/api/api_command.h"

static struct api_command c;
static struct api_fault fault;

static void
reads(enum api_kind kind, const char *body)
{
	api_command_fini(&c);
	/* a copy without a NUL, so that reads beyond the end show */
	char *exact = malloc(strlen(body) + 1);

	memcpy(exact, body, strlen(body));
	if (!api_command_read(&c, kind, text_of(exact, strlen(body)), &fault))
		fail_msg("%s: %s", body, fault.message);
	free(exact);
}

static void
is(struct text t, const char *wanted)
{
	if (!text_is(t, text_from(wanted)))
		fail_msg("\"%.*s\" and not \"%s\"", (int)t.n, t.at, wanted);
}

static void
refused(enum api_kind kind, const char *body, const char *code, const char *field, const char *message)
{
	struct api_command wrong;

	if (api_command_read(&wrong, kind, text_from(body), &fault))
		fail_msg("%s was read", body);
	if (strcmp(fault.code, code) != 0 || strcmp(fault.field, field) != 0 ||
		strstr(fault.message, message) == NULL)
		fail_msg("%s: %s of \"%s\": %s", body, fault.code, fault.field, fault.message);
	assert_int_equal(fault.status, 400);
	assert_null(wrong.plain);
}

static void
test_emit(void **state)
{
	(void)state;
	reads(API_EMIT, "{\"event\":\"news\"}");
	is(c.nsp, "/");
	is(buffer_text(&c.event), "[\"news\"]");
	assert_int_equal(c.rooms.count + c.except.count, 0);
	assert_true(c.compress && !c.is_volatile && !c.ack);
	reads(API_EMIT, " \r\n{ \"args\" : [ 1 , {\"a\":[null]} , \"\\u00e9\" ] , \"event\" : \"n\\u0065ws\", "
			"\"namespace\":\"\\/chat\","
			"\"rooms\":[\"a\",\"b\\\"c\",\"\"],\"except\":[],\"volatile\":true,\"compress\":false} \n");
	is(c.nsp, "/chat");
	is(buffer_text(&c.event), "[\"n\\u0065ws\", 1 , {\"a\":[null]} , \"\\u00e9\"]");
	assert_int_equal(c.rooms.count, 3);
	is(c.rooms.at[0], "a");
	is(c.rooms.at[1], "b\"c");
	is(c.rooms.at[2], "");
	assert_true(c.is_volatile && !c.compress);
	reads(API_EMIT, "{\"event\":\"e\",\"args\":[ ],\"ack\":true,\"timeout\":1e3,\"except\":[\"x\"]}");
	is(buffer_text(&c.event), "[\"e\"]");
	assert_true(c.ack);
	assert_int_equal(c.timeout_ms, 1000);
	is(c.except.at[0], "x");
	/* the name of a field may contain escapes */
	reads(API_EMIT, "{\"\\u0065vent\":\"e\"}");
	api_command_fini(&c);
}

static void
test_binary(void **state)
{
	static const char args[] =
		"{\"event\":\"e\",\"args\":[{\"$base64\":\"AAEC\"},{\"_placeholder\":true,\"num\":0}]}";

	(void)state;
	/* without the switch everything is plain data */
	reads(API_EMIT, args);
	is(buffer_text(&c.event), "[\"e\",{\"$base64\":\"AAEC\"},{\"_placeholder\":true,\"num\":0}]");
	assert_int_equal(c.attachments.count, 0);
	reads(API_EMIT,
		"{\"binary\":true,\"event\":\"e\",\"args\":[{\"$base64\":\"AAEC\"},[{\"x\":{\"$base64\":\"\"}}]]}");
	is(buffer_text(&c.event),
		"[\"e\",{\"_placeholder\":true,\"num\":0},[{\"x\":{\"_placeholder\":true,\"num\":1}}]]");
	assert_int_equal(c.attachments.count, 2);
	api_command_fini(&c);
	refused(API_EMIT, "{\"binary\":true,\"event\":\"e\",\"args\":[{\"$base64\":\"AAE\"}]}", "bad_base64", "args",
		"padding");
	refused(API_EMIT,
		"{\"binary\":true,\"event\":\"e\",\"args\":[{\"$base64\":\"AAEC\"},{\"_placeholder\":true,\"num\":0}]"
		"}",
		"not_together", "args", "_placeholder");
}

static void
test_rooms(void **state)
{
	(void)state;
	reads(API_JOIN, "{\"rooms\":[\"id\"],\"join\":[\"a\",\"b\"]}");
	assert_int_equal(c.moves.count, 2);
	is(c.moves.at[1], "b");
	reads(API_LEAVE, "{\"leave\":[\"a\"],\"namespace\":\"/x\"}");
	is(c.nsp, "/x");
	reads(API_DISCONNECT, "{\"rooms\":[\"id\"],\"close\":true}");
	assert_true(c.close);
	reads(API_DISCONNECT, "{}");
	assert_false(c.close);
	api_command_fini(&c);
}

static void
test_refusals(void **state)
{
	static const struct {
		enum api_kind kind;
		const char *body, *code, *field, *message;
	} cases[] = {
		{API_EMIT, "", "invalid_json", "", "empty"},
		{API_EMIT, "{\"event\":\"x\",}", "invalid_json", "", "byte 13 "},
		{API_EMIT, "{\"event\":\"x\"} {}", "invalid_json", "", "JSON"},
		{API_EMIT, "{\"event\":\"\xff\"}", "invalid_utf8", "", "UTF-8"},
		{API_EMIT, "[]", "wrong_type", "", "object"},
		{API_EMIT, "null", "wrong_type", "", "object"},
		{API_EMIT, "{}", "missing_field", "event", "event is missing"},
		{API_EMIT, "{\"event\":7}", "wrong_type", "event", "event must be a string"},
		{API_EMIT, "{\"event\":\"\"}", "bad_name", "event", "1 to 512"},
		{API_EMIT, "{\"event\":\"disconnect\"}", "reserved_event", "event", "reserved"},
		{API_EMIT, "{\"event\":\"c\\u006fnnect\"}", "reserved_event", "event", "reserved"},
		{API_EMIT, "{\"event\":\"e\",\"event\":\"f\"}", "duplicate_field", "event", "twice"},
		{API_EMIT, "{\"event\":\"e\",\"room\":[]}", "unknown_field", "room",
			"namespace, rooms, except, event"},
		{API_EMIT, "{\"event\":\"e\",\"join\":[\"a\"]}", "unknown_field", "join", "unknown field"},
		{API_EMIT, "{\"event\":\"e\",\"rooms\":\"a\"}", "wrong_type", "rooms",
			"rooms must be an array of strings"},
		{API_EMIT, "{\"event\":\"e\",\"rooms\":[\"a\",1]}", "wrong_type", "rooms",
			"rooms must be an array of strings"},
		{API_EMIT, "{\"event\":\"e\",\"rooms\":[]}", "empty", "rooms", "leave it out to reach every socket"},
		{API_EMIT, "{\"event\":\"e\",\"rooms\":null}", "wrong_type", "rooms", "array of strings"},
		{API_EMIT, "{\"event\":\"e\",\"rooms\":[\"a\\u0000\"]}", "bad_name", "rooms", "rooms[0]"},
		{API_EMIT, "{\"event\":\"e\",\"args\":{}}", "wrong_type", "args", "args must be an array"},
		{API_EMIT, "{\"event\":\"e\",\"volatile\":1}", "wrong_type", "volatile", "true or false"},
		{API_EMIT, "{\"event\":\"e\",\"namespace\":\"chat\"}", "bad_name", "namespace", "begin with"},
		{API_EMIT, "{\"event\":\"e\",\"namespace\":\"/a\\u0000\"}", "bad_name", "namespace", "U+0000"},
		{API_EMIT, "{\"event\":\"e\",\"timeout\":5}", "not_together", "timeout", "ack"},
		{API_EMIT, "{\"event\":\"e\",\"ack\":true,\"timeout\":0}", "out_of_range", "timeout", "1 to 60000"},
		{API_EMIT, "{\"event\":\"e\",\"ack\":true,\"timeout\":1.5}", "out_of_range", "timeout",
			"whole number"},
		{API_EMIT, "{\"event\":\"e\",\"ack\":true,\"volatile\":true}", "not_together", "volatile", "dropped"},
		{API_JOIN, "{\"rooms\":[\"id\"]}", "missing_field", "join", "join is missing"},
		{API_JOIN, "{\"rooms\":[\"id\"],\"join\":[]}", "empty", "join", "at least one room"},
		{API_LEAVE, "{\"join\":[\"a\"]}", "unknown_field", "join", "leave"},
		{API_DISCONNECT, "{\"close\":\"yes\"}", "wrong_type", "close", "true or false"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(cases[i].kind, cases[i].body, cases[i].code, cases[i].field, cases[i].message);
}

/* Writes {"event":"e","<name>":[<element> n times]}. */
static char *
long_list(const char *name, const char *element, unsigned n)
{
	char *body = malloc(64 + n * (strlen(element) + 1));
	size_t at = (size_t)sprintf(body, "{\"event\":\"e\",\"%s\":[", name);

	for (unsigned i = 0; i < n; i++)
		at += (size_t)sprintf(body + at, "%s%s", i != 0 ? "," : "", element);
	strcpy(body + at, "]}");
	return body;
}

static void
test_limits(void **state)
{
	static const struct {
		const char *name, *element;
		unsigned most;
	} lists[] = {{"rooms", "\"r\"", API_NAMES_MAX}, {"except", "\"r\"", API_NAMES_MAX}, {"args", "0", 254}};
	char deep[2048], name[API_NAME_MAX + 3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char *fits = long_list(lists[i].name, lists[i].element, lists[i].most);
		char *more = long_list(lists[i].name, lists[i].element, lists[i].most + 1);

		reads(API_EMIT, fits);
		refused(API_EMIT, more, "too_many", lists[i].name, "at most");
		free(fits);
		free(more);
	}
	memset(name, 'x', sizeof name);
	name[0] = name[sizeof name - 2] = '"';
	name[sizeof name - 1] = '\0';
	snprintf(deep, sizeof deep, "{\"event\":%s,\"rooms\":[%s]}", name, name);
	reads(API_EMIT, deep);
	snprintf(deep, sizeof deep, "{\"event\":\"e\",\"rooms\":[\"x%s]}", name + 1);
	refused(API_EMIT, deep, "bad_name", "rooms", "at most 512");
	api_command_fini(&c);
	memset(deep, '[', 600);
	deep[600] = '\0';
	refused(API_EMIT, deep, "too_deep", "", "512");
}

/* The client chooses the field's name, so the error cuts it and writes it as JSON. */
static void
test_fault_is_json(void **state)
{
	struct buffer out;

	(void)state;
	refused(API_EMIT, "{\"a\\\"b\":1}", "unknown_field", "a\"b", "unknown field");
	buffer_init(&out, 4096);
	api_fault_write(&fault, &out);
	buffer_add_byte(&out, '\0');
	assert_non_null(strstr((const char *)out.data,
		"{\"error\":{\"code\":\"unknown_field\",\"field\":\"a\\\"b\",\"message\":\"unknown"));
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emit),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_fault_is_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
