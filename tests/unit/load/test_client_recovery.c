/* --recover: what a client keeps over a loss, what it sends with CONNECT, and which answers it accepts. */
#include "tests/unit/load/client_bench.h"

#define FIRST "40{\"sid\":\"s\",\"pid\":\"p-1\"}"

/* Opens the client, plays the server up to CONNECT, and expects that CONNECT. */
static struct peer *
connects(const char *wanted)
{
	struct peer *p;

	client_open(&b.client);
	p = peer_at(b.peer_count);
	request(p);
	answer_upgrade(p);
	frame(p, OPEN);
	expect_frame(p, wanted);
	return p;
}

/* The same, and answers CONNECT. */
static struct peer *
joins(const char *wanted, const char *answer_to_it)
{
	struct peer *p = connects(wanted);
	unsigned before = b.joined;

	frame(p, answer_to_it);
	RUN_UNTIL(b.joined == before + 1);
	return p;
}

static void
loses(struct peer *p)
{
	unsigned before = b.ended;

	all_heard();
	peer_close(p);
	RUN_UNTIL(b.ended == before + 1);
}

static void
test_pid_and_offset_come_back(void **state)
{
	struct peer *p;

	(void)state;
	b.setup.recover = true;
	p = joins("T40", FIRST);
	assert_false(b.client.recovered);
	frame(p, "42[\"m\",1,\"o-1\"]");
	frame(p, "42[\"m\",2,\"o-2\"]");
	loses(p);
	p = connects("T40{\"pid\":\"p-1\",\"offset\":\"o-2\"}");
	frame(p, "42[\"m\",3,\"o-3\"]"); /* missed, so it stands before the answer */
	frame(p, "451-[\"m\",{\"_placeholder\":true,\"num\":0},\"o-4\"]");
	say_frame(p, WS_BINARY, "four", 4);
	frame(p, FIRST);
	RUN_UNTIL(b.joined == 2);
	assert_true(b.client.recovered);
	assert_string_equal(b.heard, "e:[\"m\",1,\"o-1\"]|e:[\"m\",2,\"o-2\"]|e:[\"m\",3,\"o-3\"]|e:four|");
	loses(p);
	loses(joins("T40{\"pid\":\"p-1\",\"offset\":\"o-4\"}", "40{\"sid\":\"t\",\"pid\":\"p-2\"}"));
	assert_false(b.client.recovered);
	loses(joins("T40{\"pid\":\"p-2\",\"offset\":\"o-4\"}", "40{\"sid\":\"t\"}")); /* recovery is off by now */
	loses(joins("T40", FIRST));
}

static void
test_the_offset_is_a_last_string(void **state)
{
	static char longest[400], too_long[400], many[300];
	const struct {
		const char *packet, *offset;
	} all[] = {
		{"42[\"m\",\"a\"]", "\"a\""},
		{"42[\"m\",1]", NULL},
		{"42[\"m\",{\"a\":\"b\"}]", NULL},
		{"42[\"m\",[\"b\"]]", NULL},
		{"427[\"m\",\"b\"]", NULL}, /* wants an acknowledgement, which is then the last argument */
		{"42[]", NULL},
		{"42[\"m\"]", "\"m\""}, /* as the stock client: the name is in the array too */
		{"42[\"m\",\"x\\\",\\\"y\"]", "\"x\\\",\\\"y\""},
		{"42[\"m\",\"x\\\\\"]", "\"x\\\\\""},
		{"42[\"m\",\"\\\\\\\"\"]", "\"\\\\\\\"\""},
		{longest, many},
		{too_long, "\"\""},
		{"42\"]", "\"\""},
		{"42", "\"\""},
	};

	(void)state;
	b.setup.recover = true;
	snprintf(many, sizeof many, "\"%0254d\"", 7);
	snprintf(longest, sizeof longest, "42[\"m\",%s]", many);
	snprintf(too_long, sizeof too_long, "42[\"m\",\"%0255d\"]", 7);
	for (unsigned i = 0, last = 0; i < sizeof all / sizeof all[0]; i++) {
		char wanted[400];
		struct peer *p;

		if (i == 0)
			p = joins("T40", FIRST);
		else {
			snprintf(wanted, sizeof wanted, "T40{\"pid\":\"p-1\",\"offset\":%s}", all[last].offset);
			p = joins(wanted, FIRST);
		}
		frame(p, all[i].packet);
		loses(p);
		if (all[i].offset)
			last = i;
	}
}

/* The client has not received the event whose attachment did not arrive. */
static void
test_an_event_counts_when_it_is_whole(void **state)
{
	struct peer *p;

	(void)state;
	b.setup.recover = true;
	p = joins("T40", FIRST);
	frame(p, "42[\"m\",\"o-1\"]");
	frame(p, "452-[\"m\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1},\"o-2\"]");
	say_frame(p, WS_BINARY, "one", 3);
	loses(p);
	p = joins("T40{\"pid\":\"p-1\",\"offset\":\"o-1\"}", FIRST);
	frame(p, "431[]");
	loses(p);
	loses(joins("T40{\"pid\":\"p-1\",\"offset\":\"o-1\"}", FIRST));
}

static void
test_auth_and_namespace(void **state)
{
	(void)state;
	b.setup.recover = true;
	b.options.auth = mem_text(" { \"token\" : \"t\" } ", 19);
	bench_aim(LOAD_WEBSOCKET, "/chat");
	loses(joins("T40/chat,{ \"token\" : \"t\" }", "40/chat,{\"sid\":\"s\",\"pid\":\"p\\\"1\"}"));
	loses(joins(
		"T40/chat,{\"pid\":\"p\\\"1\",\"token\" : \"t\" }", "40/chat,{\"sid\":\"s\",\"pid\":\"p\\\"1\"}"));
	assert_true(b.was_joined);
	mem_free(b.options.auth);
	b.options.auth = mem_text("{ }", 3);
	bench_aim(LOAD_WEBSOCKET, "/chat");
	loses(joins("T40/chat,{\"pid\":\"p\\\"1\"}", "40/chat,{\"sid\":\"s\"}"));
	mem_free(b.options.auth);
	b.options.auth = NULL;
}

static void
test_answers_that_break_the_promise(void **state)
{
	struct peer *p;

	(void)state;
	b.setup.recover = true;
	p = connects("T40");
	frame(p, "42[\"early\",\"o-1\"]"); /* nothing can be missed yet */
	EXPECT_END(1, LOAD_ERROR_PROTOCOL, "an event before CONNECT was answered");
	loses(joins("T40", FIRST));
	p = connects("T40{\"pid\":\"p-1\"}");
	frame(p, "431[]");
	EXPECT_END(3, LOAD_ERROR_PROTOCOL, "an event before CONNECT was answered");
	p = connects("T40{\"pid\":\"p-1\"}");
	frame(p, "42[\"missed\",\"o-1\"]");
	frame(p, "40{\"sid\":\"t\",\"pid\":\"p-2\"}");
	EXPECT_END(4, LOAD_ERROR_PROTOCOL, "missed events, and then a CONNECT that does not recover");
	assert_int_equal(b.joined, 1);
}

static void
test_answers_without_a_valid_pid(void **state)
{
	static const char *const answers[] = {"40", "40{}", "40[\"pid\"]", "40{\"pid\":1}", "40{\"pid\":\"p",
		"40{\"sid\":\"s\",\"pid\":"
		"\"ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		"pppppppppppppppppppppppppppppppppppppppppppppppppp\"}"};

	(void)state;
	b.setup.recover = true;
	for (unsigned i = 0; i < sizeof answers / sizeof answers[0]; i++)
		loses(joins("T40", answers[i]));
	assert_null(b.client.recovery);
}

static void
test_off_and_forgotten(void **state)
{
	struct peer *p;

	(void)state;
	p = joins("T40", FIRST);
	frame(p, "42[\"m\",\"o-1\"]");
	loses(p);
	loses(joins("T40", FIRST));
	b.setup.recover = true;
	loses(joins("T40", FIRST));
	client_forget(&b.client);
	loses(joins("T40", FIRST));
	loses(joins("T40{\"pid\":\"p-1\"}", FIRST));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_CASE(test_pid_and_offset_come_back),
		CLIENT_CASE(test_the_offset_is_a_last_string),
		CLIENT_CASE(test_an_event_counts_when_it_is_whole),
		CLIENT_CASE(test_auth_and_namespace),
		CLIENT_CASE(test_answers_that_break_the_promise),
		CLIENT_CASE(test_answers_without_a_valid_pid),
		CLIENT_CASE(test_off_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
