/* The map of a Redis Cluster, from the answers of Redis 7 and of hostile members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/cluster_map.h"
#include "broker/resp_tree.h"
#include "common/base/buffer.h"
#include "common/base/error.h"

static struct buffer bytes;
static const struct cluster_asked asked = {"10.0.0.9", 7009, false};

/* Writes the next item of "[a 1 [b nil]]" as Redis would: a word, a number, nil, '' or a list. */
static const char *
write_item(struct buffer *out, const char *at)
{
	const char *end;

	while (*at == ' ')
		at++;
	if (*at == '[') {
		struct buffer inner;
		unsigned items = 0;

		buffer_init(&inner, 1 << 24);
		for (at++; *at != ']'; items++)
			for (at = write_item(&inner, at); *at == ' ';)
				at++;
		buffer_printf(out, "*%u\r\n", items);
		buffer_add_text(out, buffer_text(&inner));
		buffer_fini(&inner);
		return at + 1;
	}
	for (end = at; *end != ' ' && *end != ']' && *end != '\0';)
		end++;
	if (end - at == 2 && memcmp(at, "''", 2) == 0)
		buffer_printf(out, "$0\r\n\r\n");
	else if (end - at == 3 && memcmp(at, "nil", 3) == 0)
		buffer_printf(out, "$-1\r\n");
	else if ((*at >= '0' && *at <= '9' && memchr(at, '.', (size_t)(end - at)) == NULL) || *at == '-')
		buffer_printf(out, ":%.*s\r\n", (int)(end - at), at);
	else
		buffer_printf(out, "$%d\r\n%.*s\r\n", (int)(end - at), (int)(end - at), at);
	return end;
}

static struct text
answer(const char *items)
{
	buffer_reset(&bytes);
	write_item(&bytes, items);
	return buffer_text(&bytes);
}

static int
parse(struct cluster_map *map, const char *items)
{
	cluster_map_init(map);
	return cluster_map_parse(map, answer(items), &asked);
}

static void
assert_owner(const struct cluster_map *map, unsigned slot, const char *host, uint16_t port)
{
	const struct cluster_member *owner = cluster_map_owner(map, slot);

	assert_non_null(owner);
	assert_string_equal(owner->host, host);
	assert_int_equal(owner->port, port);
}

/* From redis-cli CLUSTER KEYSLOT. */
static void
channels_have_the_slots_of_redis(void **state)
{
	(void)state;
	assert_int_equal(cluster_slot(TEXT("socket.io#/#")), 13868);
	assert_int_equal(cluster_slot(TEXT("socket.io#/chat#")), 2409);
	assert_int_equal(cluster_slot(TEXT("socket.io#/#room b#")), 6948);
	assert_int_equal(cluster_slot(TEXT("123456789")), 12739);
	assert_int_equal(cluster_slot(TEXT_NONE), 0);
	assert_int_equal(cluster_slot(TEXT("a{123456789}b{c}")), 12739);
	assert_int_equal(cluster_slot(TEXT("{}{123456789}")), cluster_slot(TEXT("{}{123456789}")));
	assert_int_not_equal(cluster_slot(TEXT("{}{123456789}")), 12739);
	assert_int_not_equal(cluster_slot(TEXT("{123456789")), 12739);
	assert_int_not_equal(cluster_slot(TEXT("}{123456789")), 12739);
}

static void
every_slot_has_a_tag(void **state)
{
	char tag[CLUSTER_TAG_MAX], channel[32];

	(void)state;
	for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot += 127) {
		cluster_tag(tag, slot);
		snprintf(channel, sizeof channel, "x{%s}y", tag);
		assert_int_equal(cluster_slot(text_from(channel)), slot);
	}
}

#define NODE(endpoint, port, role, health)                                                                           \
	"[id abc port " port " ip 10.0.0.1 endpoint " endpoint " role " role " replication-offset 9 health " health  \
	"]"

static void
shards_are_read(void **state)
{
	struct cluster_map map;

	(void)state;
	assert_int_equal(parse(&map, "[[slots [0 99 200 300] nodes [" NODE("10.0.0.1", "7001", "replica",
					     "online") NODE("10.0.0.2", "7002", "master",
					     "online") "]] [nodes [" NODE("redis-3.example", "7003", "master",
					     "online") "] extra [1 [2 nil]] slots [100 199 301 16383]] [slots [] "
						       "nodes [" NODE("10.0.0.4", "7004", "master", "fail") "]]]"),
		0);
	assert_int_equal(map.count, 4);
	assert_owner(&map, 0, "10.0.0.2", 7002);
	assert_owner(&map, 99, "10.0.0.2", 7002);
	assert_owner(&map, 100, "redis-3.example", 7003);
	assert_owner(&map, 250, "10.0.0.2", 7002);
	assert_owner(&map, 16383, "redis-3.example", 7003);
	assert_int_equal(map.members[0]->master, 1);
	assert_int_equal(map.members[1]->master, 1);
	assert_false(map.members[2]->failed);
	assert_true(map.members[3]->failed);
	cluster_map_fini(&map);
}

/* After a failover a shard may list the dead master beside the new one. */
static void
a_failed_master_is_passed_over(void **state)
{
	struct cluster_map map;

	(void)state;
	assert_int_equal(parse(&map, "[[slots [0 16383] nodes [" NODE("10.0.0.1", "7001", "master", "failed")
					     NODE("10.0.0.2", "7002", "master", "online") "]]]"),
		0);
	assert_owner(&map, 5, "10.0.0.2", 7002);
	cluster_map_fini(&map);
}

static void
a_member_without_a_host_has_the_address_that_was_asked(void **state)
{
	struct cluster_map map;

	(void)state;
	assert_int_equal(parse(&map, "[[slots [0 1] nodes [" NODE(
					     "''", "7001", "master", "online") "]] [slots [2 3] nodes [" NODE("?",
					     "7002", "master", "online") "]] [slots [4 5] nodes [" NODE("nil", "7003",
					     "master", "online") "]]]"),
		0);
	assert_owner(&map, 0, "10.0.0.9", 7001);
	assert_owner(&map, 2, "10.0.0.9", 7002);
	assert_owner(&map, 4, "10.0.0.9", 7003);
	assert_null(cluster_map_owner(&map, 6));
	cluster_map_fini(&map);
}

static void
with_tls_the_tls_port_counts(void **state)
{
	static const struct cluster_asked tls = {"10.0.0.9", 7009, true};
	struct cluster_map map;

	(void)state;
	cluster_map_init(&map);
	assert_int_equal(
		cluster_map_parse(&map,
			answer("[[slots [0 1] nodes [[tls-port 7443 port 7001 endpoint a role master]]]]"), &tls),
		0);
	assert_owner(&map, 0, "a", 7443);
	cluster_map_fini(&map);
	cluster_map_init(&map);
	assert_int_equal(cluster_map_parse(&map,
				 answer("[[slots [0 1] nodes [[tls-port 7443 endpoint a role master]]]]"), &tls),
		0);
	cluster_map_fini(&map);
}

static void
slots_are_read(void **state)
{
	struct cluster_map map;

	(void)state;
	assert_int_equal(parse(&map, "[[0 5460 [10.0.0.1 7001 id []] [10.0.0.2 7002 id [hostname b]]] "
				     "[5461 16383 ['' 7003 id [ip 10.0.0.3]]] [5000 5000 [nil 7004]]]"),
		0);
	assert_int_equal(map.count, 4);
	assert_owner(&map, 5460, "10.0.0.1", 7001);
	assert_owner(&map, 5461, "10.0.0.9", 7003);
	assert_owner(&map, 5000, "10.0.0.9", 7004);
	assert_int_equal(map.members[1]->master, 0);
	cluster_map_fini(&map);
}

static void
malformed_topologies_are_refused(void **state)
{
	static const struct {
		const char *items;
		int error;
	} cases[] = {
		{"[]", ERROR_NOT_FOUND},
		{"[[slots [] nodes []]]", ERROR_NOT_FOUND},
		{"[[slots [0 16383] nodes [[port 1 endpoint a role replica]]]]", ERROR_NOT_FOUND},
		{"[[slots [0 16384] nodes [[port 1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [5 4] nodes [[port 1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [-1 4] nodes [[port 1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1 2] nodes [[port 1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [a b] nodes [[port 1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [[port 0 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [[port 65536 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [[port -1 endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [[endpoint a role master]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [[port]]]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes a]]", ERROR_SYNTAX},
		{"[[slots [0 1] nodes [a]]]", ERROR_SYNTAX},
		{"[a]", ERROR_SYNTAX},
		{"[[]]", ERROR_SYNTAX},
		{"a", ERROR_SYNTAX},
		{"[[0 1]]", ERROR_SYNTAX},
		{"[[0 1 []]]", ERROR_SYNTAX},
		{"[[0 1 [a]]]", ERROR_SYNTAX},
		{"[[0 1 [a b]]]", ERROR_SYNTAX},
		{"[[0 1 [5 7001]]]", ERROR_SYNTAX},
		{"[[0 16384 [a 7001]]]", ERROR_SYNTAX},
		{"[[0 a [a 7001]]]", ERROR_SYNTAX},
	};
	struct cluster_map map;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (parse(&map, cases[i].items) != cases[i].error)
			fail_msg("%s", cases[i].items);
		cluster_map_fini(&map);
	}
	/* every prefix of a good answer */
	for (size_t n = answer("[[0 5460 [10.0.0.1 7001 id [a b]]]]").n; n-- > 0;) {
		cluster_map_init(&map);
		assert_int_equal(cluster_map_parse(&map, text_of((char *)bytes.data, n), &asked), ERROR_SYNTAX);
		cluster_map_fini(&map);
	}
}

static void
members_are_limited(void **state)
{
	struct cluster_map map;
	struct text host = TEXT("a");

	(void)state;
	cluster_map_init(&map);
	for (unsigned i = 1; i <= CLUSTER_MEMBERS_MAX; i++) {
		assert_int_equal(cluster_map_add(&map, host, (uint16_t)i), i - 1);
		assert_int_equal(cluster_map_add(&map, host, (uint16_t)i), i - 1);
	}
	assert_int_equal(cluster_map_add(&map, TEXT("b"), 1), ERROR_TOO_MANY);
	assert_int_equal(cluster_map_add(&map, TEXT("a b"), 1), ERROR_SYNTAX);
	assert_int_equal(cluster_map_add(&map, TEXT("a\nb"), 1), ERROR_SYNTAX);
	assert_int_equal(cluster_map_add(&map, TEXT("a\0b"), 1), ERROR_SYNTAX);
	cluster_map_fini(&map);
}

static void
redirections_are_read(void **state)
{
	static const struct {
		const char *error, *host;
		unsigned slot, port;
	} good[] = {
		{"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381},
		{"MOVED 0 redis.example:1", "redis.example", 0, 1},
		{"MOVED 16383 ::1:65535", "::1", 16383, 65535},
		{"MOVED 5 :7001", "", 5, 7001},
		{"MOVED 5 ?:7001", "", 5, 7001},
	};
	static const char *const bad[] = {"", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 a",
		"MOVED 1 a:", "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a:b", "MOVED 16384 a:1", "MOVED -1 a:1",
		"MOVED x a:1", "ASK 1 a:1", "MOVED 1 a b:1", "moved 1 a:1"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct cluster_moved moved;

		assert_int_equal(cluster_moved_parse(&moved, text_from(good[i].error)), 0);
		assert_int_equal(moved.slot, good[i].slot);
		assert_int_equal(moved.port, good[i].port);
		assert_true(text_is(moved.host, text_from(good[i].host)));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct cluster_moved moved;

		if (cluster_moved_parse(&moved, text_from(bad[i])) != ERROR_SYNTAX)
			fail_msg("%s", bad[i]);
	}
}

/* One dead master of three is an ordinary failure. If two are unreachable, this member itself is cut off. */
static void
a_member_on_the_smaller_side_of_a_cut_is_known(void **state)
{
	static const struct {
		const char *info;
		bool cut_off;
	} cases[] = {
		{"cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:10923\r\n", false},
		{"cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_fail:5461\r\n", false},
		{"cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:10923\r\n", true},
		{"cluster_slots_fail:5461\ncluster_slots_pfail:5461\ncluster_slots_assigned:16384\ncluster_state:"
		 "fail",
			true},
		{"cluster_state:fail\r\ncluster_slots_assigned:0\r\n", true}, /* this member forgot the cluster */
		{"cluster_state:fail\r\ncluster_slots_assigned:x\r\n:\r\n\r\ncluster_slots_pfail:99999\r\n", true},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (cluster_info_cut_off(text_from(cases[i].info)) != cases[i].cut_off)
			fail_msg("%s", cases[i].info);
}

/* The scanner knows the end of an answer without looking at any byte twice. */
static void
answers_are_collected(void **state)
{
	struct text whole = answer("[[0 5460 [10.0.0.1 7001 id []]] nil [] [[[[[[[[[[x]]]]]]]]]]]");
	struct resp_tree tree = {.open = 1};
	static char lines[20000];

	(void)state;
	for (size_t n = 0; n < whole.n; n++)
		assert_int_equal(resp_tree_scan(&tree, text_of(whole.at, n)), 0);
	assert_int_equal(resp_tree_scan(&tree, whole), whole.n);
	memset(lines, 'x', sizeof lines);
	lines[0] = '-';
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, text_of(lines, sizeof lines)), ERROR_TOO_BIG);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("*1000000\r\n")), ERROR_TOO_BIG);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("*1\r\n$99999999\r\n")), ERROR_TOO_BIG);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("*1\r\n$1\r\nxyz")), ERROR_SYNTAX);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("*1\r\n$99999999999999999999\r\n")), ERROR_SYNTAX);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("*-2\r\n")), ERROR_SYNTAX);
	tree = (struct resp_tree){.open = 1};
	assert_int_equal(resp_tree_scan(&tree, TEXT("x")), ERROR_SYNTAX);
}

/* An array of arrays of arrays: the heads are small, the items many. */
static void
items_are_counted(void **state)
{
	struct resp_tree tree = {.open = 1};
	char *many = malloc(4 * (RESP_TREE_ITEMS_MAX + 2));

	(void)state;
	for (size_t i = 0; i < RESP_TREE_ITEMS_MAX + 2; i++)
		memcpy(many + 4 * i, "*2\r\n", 4);
	assert_int_equal(resp_tree_scan(&tree, text_of(many, 4 * (RESP_TREE_ITEMS_MAX + 2))), ERROR_TOO_MANY);
	free(many);
}

static int
start(void **state)
{
	(void)state;
	buffer_init(&bytes, 1 << 24);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	buffer_fini(&bytes);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_have_the_slots_of_redis),
		cmocka_unit_test(every_slot_has_a_tag),
		cmocka_unit_test(shards_are_read),
		cmocka_unit_test(a_failed_master_is_passed_over),
		cmocka_unit_test(a_member_without_a_host_has_the_address_that_was_asked),
		cmocka_unit_test(with_tls_the_tls_port_counts),
		cmocka_unit_test(slots_are_read),
		cmocka_unit_test(malformed_topologies_are_refused),
		cmocka_unit_test(members_are_limited),
		cmocka_unit_test(redirections_are_read),
		cmocka_unit_test(a_member_on_the_smaller_side_of_a_cut_is_known),
		cmocka_unit_test(answers_are_collected),
		cmocka_unit_test(items_are_counted),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
