/* The table of presence: what several servers say, merged, and the changes that are to be announced and sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "node/socketio/sio_presence_table.h"

#define ROOM TEXT("room")
#define ADA TEXT("ada")

static struct presence_table table;

static int
setup(void **state)
{
	(void)state;
	presence_table_init(&table, 1000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	presence_table_fini(&table);
	return 0;
}

static void
set(struct presence_owner *owner, struct text room, struct text user, const char *json)
{
	struct sio_stored *data = json != NULL ? sio_stored_new(text_from(json), NULL) : NULL;

	assert_non_null(presence_set(&table, owner, room, user, data));
	sio_stored_unref(data);
}

/* Takes all changes, as "+room/user=data", "~..." or "-...". */
static const char *
changes(void)
{
	static char out[4096];
	static const char signs[] = {[PRESENCE_JOINED] = '+', [PRESENCE_CHANGED] = '~', [PRESENCE_LEFT] = '-'};
	struct presence_change change;
	size_t n = 0;

	out[0] = '\0';
	while (presence_take_change(&table, &change)) {
		struct text data = change.data != NULL ? change.data->owner.json : TEXT("none");

		n += (size_t)snprintf(out + n, sizeof out - n, "%s%c%s/%s=%.*s", n > 0 ? " " : "", signs[change.kind],
			change.user->room->name, change.user->name, (int)data.n, data.at);
		sio_stored_unref(change.data);
		presence_release(&table, change.user);
	}
	return out;
}

static unsigned
unpublished(void)
{
	struct presence_user *user;
	unsigned n = 0;

	while ((user = presence_take_unpublished(&table)) != NULL) {
		n++;
		presence_release(&table, user);
	}
	return n;
}

static void
a_user_is_there_while_one_server_says_so(void **state)
{
	struct presence_owner *a = presence_owner_get(&table, TEXT("a")), *b = presence_owner_get(&table, TEXT("b"));

	(void)state;
	assert_ptr_equal(presence_owner_get(&table, TEXT("a")), a);
	set(a, ROOM, ADA, "1");
	set(b, ROOM, ADA, "1");
	assert_string_equal(changes(), "+room/ada=1");
	presence_clear(&table, a, ROOM, ADA);
	assert_string_equal(changes(), "");
	assert_non_null(presence_find(&table, ROOM, ADA));
	assert_int_equal(presence_room_find(&table, ROOM)->present, 1);
	presence_owner_drop(&table, b);
	assert_null(presence_find(&table, ROOM, ADA));
	assert_string_equal(changes(), "-room/ada=1");
	assert_null(presence_room_find(&table, ROOM));
	assert_int_equal(table.entries, 0);
}

static void
what_is_undone_is_not_announced(void **state)
{
	struct presence_owner *a = presence_owner_get(&table, TEXT("a"));

	(void)state;
	set(a, ROOM, ADA, "1");
	presence_clear(&table, a, ROOM, ADA);
	assert_string_equal(changes(), "");
	assert_null(presence_room_find(&table, ROOM));
	set(a, ROOM, ADA, "1");
	assert_string_equal(changes(), "+room/ada=1");
	presence_clear(&table, a, ROOM, ADA);
	set(a, ROOM, ADA, "1");
	assert_string_equal(changes(), "");
	presence_clear(&table, a, ROOM, ADA);
	set(a, ROOM, ADA, "2");
	assert_string_equal(changes(), "~room/ada=2");
}

static void
the_data_given_last_counts(void **state)
{
	struct presence_owner *a = presence_owner_get(&table, TEXT("a"));

	(void)state;
	set(a, ROOM, ADA, "1");
	set(table.own, ROOM, ADA, NULL);
	assert_string_equal(changes(), "+room/ada=none");
	set(a, ROOM, ADA, "{\"x\":2}");
	assert_string_equal(changes(), "~room/ada={\"x\":2}");
	presence_clear(&table, a, ROOM, ADA);
	assert_string_equal(changes(), "~room/ada=none");
}

static void
own_sockets_are_counted(void **state)
{
	(void)state;
	set(table.own, ROOM, ADA, "1");
	set(table.own, ROOM, ADA, "1");
	assert_int_equal(unpublished(), 1);
	presence_clear(&table, table.own, ROOM, ADA);
	assert_int_equal(unpublished(), 0);
	assert_non_null(presence_find(&table, ROOM, ADA));
	presence_clear(&table, table.own, ROOM, ADA);
	assert_null(presence_find(&table, ROOM, ADA));
	presence_clear(&table, table.own, ROOM, ADA); /* nothing more to leave */
	assert_int_equal(unpublished(), 1);
	assert_string_equal(changes(), "");
	assert_null(presence_room_find(&table, ROOM));
}

static void
the_table_has_a_limit(void **state)
{
	struct presence_owner *a = presence_owner_get(&table, TEXT("a"));

	(void)state;
	table.max_entries = 1;
	set(a, ROOM, ADA, NULL);
	assert_null(presence_set(&table, table.own, ROOM, ADA, NULL));
	assert_null(presence_set(&table, a, TEXT("other"), ADA, NULL));
	assert_null(presence_room_find(&table, TEXT("other")));
	set(a, ROOM, ADA, "1"); /* the entry is there already */
	assert_string_equal(changes(), "+room/ada=1");
}

static void
a_sweep_removes_what_a_list_did_not_name(void **state)
{
	struct presence_owner *a = presence_owner_get(&table, TEXT("a"));

	(void)state;
	set(a, ROOM, ADA, NULL);
	set(a, ROOM, TEXT("bob"), NULL);
	(void)changes();
	a->round++;
	set(a, ROOM, TEXT("bob"), NULL);
	presence_owner_sweep(&table, a);
	assert_string_equal(changes(), "-room/ada=none");
}

/* Entries come and go during a walk over the own entries. The walk meets each entry that stays once. */
static void
a_walk_survives_changes(void **state)
{
	const struct presence_entry *entry;
	char seen[16] = "";

	(void)state;
	for (char c = 'a'; c <= 'f'; c++)
		set(table.own, ROOM, text_of(&c, 1), NULL);
	presence_walk(&table);
	while ((entry = presence_walk_next(&table)) != NULL) {
		strcat(seen, entry->user->name);
		if (entry->user->name[0] == 'b') {
			presence_clear(&table, table.own, ROOM, TEXT("a"));
			presence_clear(&table, table.own, ROOM, TEXT("c")); /* the next one */
			presence_clear(&table, table.own, ROOM, TEXT("b"));
			set(table.own, ROOM, TEXT("g"), NULL);
		}
	}
	assert_string_equal(seen, "abdefg");
	assert_null(presence_walk_next(&table));
}

/* ------------------------------------------------------------ random model */

#define OWNERS 3
#define ROOMS 2
#define USERS 4

/* A receiver of all changes ends with the users that the servers name, in whatever order the changes come. */
static void
the_changes_add_up(void **state)
{
	bool said[OWNERS][ROOMS][USERS] = {{{false}}}, believed[ROOMS][USERS] = {{false}};
	struct presence_owner *owners[OWNERS];

	(void)state;
	srand(7);
	for (int i = 0; i < OWNERS; i++)
		owners[i] = presence_owner_get(&table, text_of((char[]){(char)('0' + i)}, 1));
	for (int step = 0; step < 20000; step++) {
		int o = rand() % OWNERS, r = rand() % ROOMS, u = rand() % USERS;
		char room = (char)('A' + r), user = (char)('a' + u);
		struct presence_change change;

		if (rand() % 50 == 0) {
			presence_owner_drop(&table, owners[o]);
			owners[o] = presence_owner_get(&table, text_of((char[]){(char)('0' + o)}, 1));
			memset(said[o], 0, sizeof said[o]);
		} else if (rand() % 2 == 0) {
			set(owners[o], text_of(&room, 1), text_of(&user, 1), NULL);
			said[o][r][u] = true;
		} else {
			presence_clear(&table, owners[o], text_of(&room, 1), text_of(&user, 1));
			said[o][r][u] = false;
		}
		if (rand() % 5 != 0)
			continue;
		while (presence_take_change(&table, &change)) {
			bool *was = &believed[change.user->room->name[0] - 'A'][change.user->name[0] - 'a'];

			assert_int_equal(*was, change.kind == PRESENCE_LEFT);
			*was = change.kind != PRESENCE_LEFT;
			presence_release(&table, change.user);
		}
		for (r = 0; r < ROOMS; r++) {
			for (u = 0; u < USERS; u++)
				assert_int_equal(believed[r][u], said[0][r][u] || said[1][r][u] || said[2][r][u]);
		}
	}
}

#define TABLE_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_CASE(a_user_is_there_while_one_server_says_so),
		TABLE_CASE(what_is_undone_is_not_announced),
		TABLE_CASE(the_data_given_last_counts),
		TABLE_CASE(own_sockets_are_counted),
		TABLE_CASE(the_table_has_a_limit),
		TABLE_CASE(a_sweep_removes_what_a_list_did_not_name),
		TABLE_CASE(a_walk_survives_changes),
		TABLE_CASE(the_changes_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
