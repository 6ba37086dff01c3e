/*
 * The log of a bus: missed messages are read once and in order, and messages without an answer are neither lost nor
 * doubled.
 */
#include "tests/unit/broker/log_server.h"

#include "broker/bus_log_internal.h"

/* One entry has all messages of a turn. Its stamp has the position up to which the sender knows the log. */
static void
messages_of_one_turn_leave_in_one_call(void **state)
{
	(void)state;
	begin();
	record(&a, "1");
	record(&a, "2");
	record(&a, "3");
	RUN_UNTIL(stats_of(&a).published == 3 && news.messages == 3);
	assert_int_equal(LOG->calls, 1);
	assert_int_equal(LOG->count, 2); /* the first entry is the mark of the connection */
	assert_int_equal(LOG->counter, 3);
	assert_true(text_starts(entry_text(1), TEXT("4 45\nnews{\"m\":\"1\",\"position\":\"1000-1/j")));
	assert_string_equal(texts_of(&news), "1 2 3 ");
	record(&a, "4");
	RUN_UNTIL(stats_of(&a).published == 4);
	assert_int_equal(LOG->calls, 2);
	close_log_bus();
}

static void
missed_messages_are_read_once_and_in_order(void **state)
{
	(void)state;
	begin();
	other_records(1, "news", "1", true);
	RUN_UNTIL(news.messages == 1);
	lose_subscriptions();
	other_records(2, "news", "2", false);
	other_records(3, "elsewhere", "x", false);
	other_records(4, "news", "3", false);
	RUN_UNTIL(ups(&a) == 2);
	other_records(5, "news", "4", true);
	RUN_UNTIL(news.messages == 4);
	assert_string_equal(texts_of(&news), "1 2 3 4 ");
	assert_int_equal(stats_of(&a).log_read, 2);
	assert_int_equal(stats_of(&a).log_gaps, 0);
	close_log_bus();
}

/* Emitters and Node.js servers publish without the log. */
static void
messages_that_the_log_lacks_are_told_apart(void **state)
{
	struct bus_point point;
	struct buffer out;

	(void)state;
	begin();
	other_records(1, "news", "1", true);
	RUN_UNTIL(news.messages == 1);
	assert_true(bus_store_point(a.bus, &point) && point.recorded && point.event == 0);
	buffer_init(&out, 256);
	log_push_message(&out, TEXT("news"), TEXT("{\"m\":\"2\"}"));
	conn_send_copy(server.subscriptions, out.data, out.len);
	buffer_fini(&out);
	RUN_UNTIL(news.messages == 2);
	assert_true(bus_store_point(a.bus, &point) && !point.recorded);
	lose_subscriptions();
	other_records(2, "news", "3", false);
	RUN_UNTIL(news.messages == 3);
	assert_true(bus_store_point(a.bus, &point) && point.recorded && point.event == 0);
	close_log_bus();
}

/* The position of an idle node is that of the last check message. */
static void
an_idle_node_has_a_position(void **state)
{
	(void)state;
	other_records(1, "news", "before", false);
	begin();
	lose_subscriptions();
	other_records(2, "news", "missed", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "missed ");
	close_log_bus();
}

static void
what_is_heard_while_reading_is_held(void **state)
{
	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "news", "1", false);
	LOG->slow = true;
	RUN_UNTIL(LOG->reads == 1);
	log_push(&LOG->entries[LOG->count - 1]); /* also in the answer */
	other_records(2, "news", "2", true);	 /* only heard */
	RUN_UNTIL(stats_of(&a).log_held_bytes > 2 * 60);
	assert_int_equal(news.messages, 0);
	log_answer_read();
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	assert_int_equal(stats_of(&a).log_held_bytes, 0);
	close_log_bus();
}

/* The subscription link is slower than the answer. */
static void
what_was_read_is_not_delivered_when_it_is_heard(void **state)
{
	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "news", "1", false);
	RUN_UNTIL(ups(&a) == 2);
	log_push(&LOG->entries[LOG->count - 1]);
	other_records(2, "news", "2", true);
	RUN_UNTIL(news.messages == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	close_log_bus();
}

/* Too much is heard while reading: it is dropped and read from the log instead. */
static void
held_messages_are_limited(void **state)
{
	static char large[1 << 20];

	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "news", "1", false);
	LOG->slow = true;
	RUN_UNTIL(LOG->reads == 1);
	memset(large, ' ', sizeof large);
	memcpy(large, "{\"m\":\"L\"", 8);
	large[sizeof large - 1] = '}';
	for (unsigned i = 2; i <= 6; i++)
		other_records_text(i, "news", text_of(large, sizeof large), true);
	RUN_UNTIL(stats_of(&a).log_overflows == 1);
	LOG->slow = false;
	log_answer_read();
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(LOG->reads, 2);
	assert_int_equal(news.messages, 6);
	assert_int_equal(stats_of(&a).log_read, 6);
	close_log_bus();
}

/* The answer to the first read arrives after the second read has begun. */
static void
a_reading_that_was_given_up_has_no_effect(void **state)
{
	struct buffer first;

	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "news", "1", false);
	LOG->slow = true;
	RUN_UNTIL(LOG->reads == 1);
	first = LOG->read;
	buffer_init(&LOG->read, 32 << 20);
	lose_subscriptions();
	other_records(2, "news", "2", false);
	RUN_UNTIL(LOG->reads == 2);
	say(LOG->reader, "$%zu\r\n%.*s\r\n", first.len, (int)first.len, (const char *)first.data);
	log_answer_read();
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	assert_int_equal(stats_of(&a).malformed, 0);
	buffer_fini(&first);
	close_log_bus();
}

/* Replaces the waiting answer of a read by one with the entry `i`. */
static void
answer_with_entry(const char *head, unsigned i)
{
	const struct entry *entry = &LOG->entries[i];

	buffer_reset(&LOG->read);
	buffer_printf(&LOG->read, "%s\n%llu-%llu %zu\n", head, (unsigned long long)entry->ms,
		(unsigned long long)entry->seq, entry->n);
	buffer_add(&LOG->read, entry->records, entry->n);
}

/* The bus has read beyond the position of the check message, and has also heard these messages meanwhile. */
static void
a_reading_that_takes_too_long_repeats_nothing(void **state)
{
	(void)state;
	begin();
	lose_subscriptions();
	LOG->slow = true;
	RUN_UNTIL(LOG->reads == 1);
	other_records(1, "news", "1", true);
	other_records(2, "news", "2", true);
	RUN_UNTIL(stats_of(&a).log_held_bytes > 2 * 60);
	a.bus->log->deadline = 0;
	answer_with_entry("11", 1);
	log_answer_read();
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	assert_int_equal(stats_of(&a).log_gaps, 0);
	close_log_bus();
}

/* ------------------------------------------------------- without an answer */

static void
an_executed_message_without_an_answer_is_not_sent_again(void **state)
{
	(void)state;
	begin();
	LOG->publishing = EXECUTE_AND_CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->publishing = ANSWER;
	record(&a, "2");
	RUN_UNTIL(ups(&a) == 2 && stats_of(&a).published == 2);
	assert_int_equal(LOG->count, 4); /* two of them are the marks of the connections */
	assert_string_equal(LOG->killed, "1");
	assert_int_equal(stats_of(&a).log_found, 1);
	assert_int_equal(stats_of(&a).log_resent, 0);
	assert_int_equal(stats_of(&a).uncertain, 0);
	assert_string_equal(texts_of(&news), "1 2 ");
	close_log_bus();
}

static void
a_lost_message_is_sent_again_before_newer_ones(void **state)
{
	(void)state;
	begin();
	LOG->publishing = CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	record(&a, "2");
	LOG->publishing = ANSWER;
	RUN_UNTIL(ups(&a) == 2 && stats_of(&a).published == 2);
	RUN_UNTIL(news.messages == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	assert_int_equal(stats_of(&a).log_resent, 1);
	assert_true(text_has(entry_text(2), TEXT("/1\"}")));
	close_log_bus();
}

/* In another server process, the number of the old connection may belong to a stranger, so nothing is ended. */
static void
a_connection_of_another_server_is_not_ended(void **state)
{
	(void)state;
	begin();
	LOG->publishing = CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->publishing = ANSWER;
	LOG->run_id = "second";
	RUN_UNTIL(ups(&a) == 2 && news.messages == 1);
	assert_string_equal(LOG->killed, "");
	close_log_bus();
}

/* Both links are lost, and the log holds own messages among messages of others. */
static void
both_links_are_lost(void **state)
{
	(void)state;
	begin();
	LOG->publishing = EXECUTE_AND_CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->publishing = ANSWER;
	if (server.subscriptions != NULL)
		conn_close(server.subscriptions, REASON_FINISHED);
	other_records(1, "news", "2", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_found, 1);
	assert_non_null(strstr(texts_of(&news), "2 "));
	close_log_bus();
}

/* The server has forgotten the scripts that check and read. */
static void
a_lost_script_is_sent_again(void **state)
{
	(void)state;
	LOG->forget_scripts = 1;
	begin();
	assert_int_equal(downs(&a), 0);
	lose_subscriptions();
	other_records(1, "news", "1", false);
	LOG->forget_scripts = 2;
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(LOG->forget_scripts, 0);
	assert_string_equal(texts_of(&news), "1 ");
	close_log_bus();
}

/* The log keeps the messages that the option asks for, and a few more. */
static void
the_log_is_trimmed_by_messages(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 1; i <= 20; i++) {
		record(&a, "1");
		RUN_UNTIL(stats_of(&a).published == i);
		if (i <= 10)
			assert_string_equal(LOG->kept, "entries 20");
	}
	assert_string_equal(LOG->kept, "from 1000-10"); /* the ninth message, with eleven behind it */
	assert_int_equal(LOG->entries[9].seq, 10);
	close_log_bus();
}

/* Nothing that the server refuses is lost. */
static void
a_refused_message_is_kept(void **state)
{
	(void)state;
	begin();
	LOG->refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	record(&a, "1");
	record(&a, "2");
	RUN_UNTIL(downs(&a) == 1);
	assert_true(logged("publishing refused: OOM"));
	LOG->refusal = NULL;
	RUN_UNTIL(news.messages == 2);
	assert_string_equal(texts_of(&news), "1 2 ");
	assert_int_equal(stats_of(&a).dropped, 0);
	close_log_bus();
}

/* After a failover a message may be sent again that receivers have heard. */
static void
a_number_that_was_heard_is_a_repeat(void **state)
{
	(void)state;
	begin();
	other_records(1, "news", "1", true);
	other_records(2, "news", "2", true);
	other_records(2, "news", "2", true);
	other_records(1, "news", "1", true);
	other_records(3, "news", "3", true);
	RUN_UNTIL(news.messages == 3);
	assert_string_equal(texts_of(&news), "1 2 3 ");
	assert_int_equal(stats_of(&a).log_repeats, 2);
	close_log_bus();
}

/* A bus that is closed while it looks for its messages does not know which of them the server has executed. */
static void
a_bus_closed_while_it_reads_counts_what_is_doubtful(void **state)
{
	(void)state;
	begin();
	LOG->publishing = CUT;
	LOG->slow = true;
	record(&a, "1");
	record(&a, "2");
	RUN_UNTIL(LOG->reads == 1);
	assert_int_equal(stats_of(&a).uncertain, 0);
	listen_no_more(&a, &news);
	bus_close(a.bus, 1000, on_bus_closed, &a);
	assert_int_equal(stats_of(&a).uncertain, 2);
	RUN_UNTIL(a.closings == 1);
}

/* -------------------------------------------------------------------- gaps */

static void
a_trimmed_log_is_a_gap(void **state)
{
	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "news", "1", false);
	other_records(2, "news", "2", false);
	log_trim(1);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_gaps, 1);
	assert_int_equal(times_logged("messages may have been missed"), 1);
	assert_string_equal(texts_of(&news), "2 ");
	close_log_bus();
}

/* The log ends before the position: another master, whose clock is behind. */
static void
a_log_without_its_end_is_a_gap(void **state)
{
	(void)state;
	begin();
	other_records(1, "news", "1", true);
	RUN_UNTIL(news.messages == 1);
	lose_subscriptions();
	log_trim(0);
	LOG->ms = 500;
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_gaps, 1);
	other_records(2, "news", "2", true); /* older than the lost position, and yet delivered */
	RUN_UNTIL(news.messages == 2);
	lose_subscriptions();
	other_records(3, "news", "3", false);
	RUN_UNTIL(ups(&a) == 3);
	assert_string_equal(texts_of(&news), "1 2 3 ");
	assert_int_equal(stats_of(&a).log_gaps, 1);
	close_log_bus();
}

static void
entries_of_strangers_are_counted(void **state)
{
	(void)state;
	begin();
	lose_subscriptions();
	LOG->read_answer = "10\n2000-1 ?\n2000-2 11\n4 3\nnewsabc2000-3 0\n";
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_unusable, 2);
	assert_int_equal(news.messages, 0);
	close_log_bus();
}

static void
a_malformed_answer_is_a_lost_link(void **state)
{
	static const char *const answers[] = {"", "10\nx", "10\n1-1 99\nnews", "10\n2000-2 0\n2000-1 0\n", NULL};

	(void)state;
	begin();
	for (unsigned i = 0; answers[i] != NULL; i++) {
		uint64_t before = stats_of(&a).malformed;

		LOG->read_answer = answers[i];
		if (i == 0)
			conn_close(server.subscriptions, REASON_FINISHED);
		RUN_UNTIL(stats_of(&a).malformed > before);
	}
	LOG->read_answer = NULL;
	LOG->ms = 3000;
	other_records(1, "news", "1", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "1 ");
	close_log_bus();
}

static void
a_log_that_is_gone_is_a_gap(void **state)
{
	(void)state;
	begin();
	LOG->publishing = EXECUTE_AND_CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->unsupported = true;
	if (server.subscriptions != NULL)
		conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).uncertain, 1);
	assert_int_equal(stats_of(&a).log_gaps, 1);
	close_log_bus();
}

/* ------------------------------------------------------------------- joins */

/* The server's clock is at 1500 ms at the check, so an entry of 1000 ms is older than a join during the outage. */
static void
a_subscription_made_while_away_gets_nothing_older(void **state)
{
	struct listener late;

	(void)state;
	begin();
	lose_subscriptions();
	other_records(1, "late", "old", false);
	listen_to(&a, &late, "late", false);
	LOG->ms = 1000 * 1000;
	other_records(2, "late", "new", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&late), "new ");
	listen_no_more(&a, &late);
	close_log_bus();
}

/* The position is that of the last check, which is older than the subscription. */
static void
a_subscription_made_before_the_loss_gets_nothing_older(void **state)
{
	struct listener late;

	(void)state;
	begin();
	other_records(1, "late", "old", false);
	listen_to(&a, &late, "late", false);
	RUN_UNTIL(late.s.confirmed);
	lose_subscriptions();
	LOG->ms = 1000 * 1000;
	other_records(2, "late", "new", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&late), "new ");
	listen_no_more(&a, &late);
	close_log_bus();
}

/* The message is in the log and on the subscription link, and the confirmation comes between them. */
static void
a_subscription_without_confirmation_gets_its_messages_once(void **state)
{
	struct listener late;

	(void)state;
	begin();
	lose_subscriptions();
	LOG->slow = true;
	RUN_UNTIL(LOG->reads == 1);
	server.silent = true;
	listen_to(&a, &late, "late", false);
	RUN_UNTIL(strcmp(server.last, "late") == 0);
	LOG->ms = 1000 * 1000;
	other_records(1, "late", "1", false);
	LOG->slow = false;
	answer_with_entry("10", LOG->count - 1);
	log_answer_read();
	RUN_UNTIL(ups(&a) == 2);
	say(server.subscriptions, "*3\r\n$9\r\nsubscribe\r\n$4\r\nlate\r\n:1\r\n");
	log_push(&LOG->entries[LOG->count - 1]);
	other_records(2, "late", "2", true);
	RUN_UNTIL(late.messages > 0 && strstr(texts_of(&late), "2 ") != NULL);
	assert_string_equal(texts_of(&late), "1 2 ");
	listen_no_more(&a, &late);
	close_log_bus();
}

static void
a_room_that_appeared_while_away_gets_nothing_older(void **state)
{
	struct listener rooms;

	(void)state;
	log_bus_start(&a);
	listen_to(&a, &news, "news", false);
	listen_to(&a, &rooms, "k#/#", true);
	RUN_UNTIL(ups(&a) == 1);
	assert_false(bus_recovers(a.bus));
	lose_subscriptions();
	assert_true(bus_recovers(a.bus));
	bus_room_appeared(a.bus, TEXT("k#/#late#"));
	bus_room_appeared(a.bus, TEXT("k#/#gone#"));
	bus_room_empty(a.bus, TEXT("k#/#gone#"));
	other_records(1, "k#/#late#", "old", false);
	other_records(2, "k#/#known#", "known", false);
	LOG->ms = 1000 * 1000;
	other_records(3, "k#/#late#", "new", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&rooms), "known new ");
	listen_no_more(&a, &rooms);
	close_log_bus();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_CASE(messages_of_one_turn_leave_in_one_call),
		LOG_CASE(missed_messages_are_read_once_and_in_order),
		LOG_CASE(messages_that_the_log_lacks_are_told_apart),
		LOG_CASE(an_idle_node_has_a_position),
		LOG_CASE(what_is_heard_while_reading_is_held),
		LOG_CASE(what_was_read_is_not_delivered_when_it_is_heard),
		LOG_CASE(held_messages_are_limited),
		LOG_CASE(a_reading_that_was_given_up_has_no_effect),
		LOG_CASE(a_reading_that_takes_too_long_repeats_nothing),
		LOG_CASE(an_executed_message_without_an_answer_is_not_sent_again),
		LOG_CASE(a_lost_message_is_sent_again_before_newer_ones),
		LOG_CASE(both_links_are_lost),
		LOG_CASE(a_connection_of_another_server_is_not_ended),
		LOG_CASE(a_lost_script_is_sent_again),
		LOG_CASE(the_log_is_trimmed_by_messages),
		LOG_CASE(a_refused_message_is_kept),
		LOG_CASE(a_number_that_was_heard_is_a_repeat),
		LOG_CASE(a_trimmed_log_is_a_gap),
		LOG_CASE(a_log_without_its_end_is_a_gap),
		LOG_CASE(entries_of_strangers_are_counted),
		LOG_CASE(a_malformed_answer_is_a_lost_link),
		LOG_CASE(a_subscription_made_while_away_gets_nothing_older),
		LOG_CASE(a_subscription_made_before_the_loss_gets_nothing_older),
		LOG_CASE(a_subscription_without_confirmation_gets_its_messages_once),
		LOG_CASE(a_room_that_appeared_while_away_gets_nothing_older),
		LOG_CASE(a_bus_closed_while_it_reads_counts_what_is_doubtful),
		LOG_CASE(a_log_that_is_gone_is_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
