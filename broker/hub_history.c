#include "broker/hub_history.h"

#include <stdio.h>

#include "common/base/error.h"

#define SWEEP_MS 1000

static void
reply_number(struct conn *worker, uint64_t n)
{
	char line[32];

	conn_send_copy(worker, line, (size_t)snprintf(line, sizeof line, ":%llu\r\n", (unsigned long long)n));
}

static size_t
write_bulk_id(char *out, size_t size, struct history_id id)
{
	char text[HISTORY_ID_MAX + 1];
	size_t n = history_id_write(id, text);

	return (size_t)snprintf(out, size, "$%zu\r\n%s\r\n", n, text);
}

static int
run_xadd(struct hub_history *history, struct conn *worker, const struct hub_command *command)
{
	struct history_limits limits = {.age_ms = 0};
	struct history_id id;
	char line[HISTORY_ID_MAX + 32];
	uint64_t count;
	int rc;

	if (command->count != 7 || text_number(command->args[3], HISTORY_COUNT_MAX, &count) < 0 || count == 0)
		return ERROR_ARGUMENT;
	limits.count = (unsigned)count;
	rc = history_table_append(&history->table, loop_wall_ms(), command->args[1], &limits, command->args[6], &id);
	if (rc < 0)
		return rc;
	conn_send_copy(worker, line, write_bulk_id(line, sizeof line, id));
	if (!wheel_armed(&history->timer))
		loop_arm(history->loop, &history->timer, SWEEP_MS);
	return 0;
}

static int
run_age(struct hub_history *history, struct conn *worker, const struct hub_command *command)
{
	uint64_t age = 0;

	if (command->count > 3 || (command->count == 3 && text_number(command->args[2], UINT64_MAX, &age) < 0))
		return ERROR_ARGUMENT;
	history_table_set_age(&history->table, command->args[1], age);
	reply_number(worker, 1);
	return 0;
}

/*
 * Reads a bound of a range. The range of the command includes its bounds, and struct history_query excludes them, so
 * the id moves by one.
 */
static bool
read_bound(struct text text, bool low, struct history_id *out)
{
	*out = (struct history_id){0, 0};
	if (text_is(text, low ? TEXT("-") : TEXT("+")))
		return true;
	if (!history_id_read(text, out))
		return false;
	if (low) {
		out->ms -= out->seq == 0;
		out->seq--;
	} else {
		out->seq++;
		out->ms += out->seq == 0;
	}
	return true;
}

static void
reply_entries(struct conn *worker, const struct history_found *found, bool reverse)
{
	char line[HISTORY_ID_MAX + 64];

	conn_send_copy(worker, line, (size_t)snprintf(line, sizeof line, "*%u\r\n", found->count));
	for (unsigned i = 0; i < found->count; i++) {
		const struct history_found_item *item = &found->at[reverse ? found->count - 1 - i : i];
		size_t n = (size_t)snprintf(line, sizeof line, "*2\r\n");

		n += write_bulk_id(line + n, sizeof line - n, item->id);
		n += (size_t)snprintf(line + n, sizeof line - n, "*2\r\n$1\r\nd\r\n");
		conn_send_copy(worker, line, n);
		conn_send_copy(worker, line, (size_t)snprintf(line, sizeof line, "$%u\r\n", item->payload->len));
		conn_send(worker, item->payload, 0, item->payload->len);
		conn_send_copy(worker, "\r\n", 2);
	}
}

static int
run_range(struct hub_history *history, struct conn *worker, const struct hub_command *command)
{
	bool reverse = text_is(command->args[0], TEXT("XREVRANGE"));
	struct history_query query = {.from_oldest = !reverse};
	struct history_found found;
	uint64_t count;
	int rc;

	if (command->count != 6 || text_number(command->args[5], HISTORY_COUNT_MAX, &count) < 0 || count == 0 ||
		!read_bound(command->args[reverse ? 3 : 2], true, &query.after) ||
		!read_bound(command->args[reverse ? 2 : 3], false, &query.before))
		return ERROR_ARGUMENT;
	query.count = (unsigned)count;
	rc = history_table_read(&history->table, loop_wall_ms(), command->args[1], &query, &found);
	if (rc == 0)
		reply_entries(worker, &found, reverse);
	history_found_fini(&found);
	return rc;
}

static int
run_remove(struct hub_history *history, struct conn *worker, const struct hub_command *command)
{
	bool one = text_is(command->args[0], TEXT("XDEL"));
	struct history_id id = {0, 0};
	unsigned removed;

	if (command->count != (one ? 3 : 2) || (one && !history_id_read(command->args[2], &id)))
		return ERROR_ARGUMENT;
	removed = one && id.ms == 0 && id.seq == 0 ? 0 : history_table_remove(&history->table, command->args[1], id);
	reply_number(worker, one ? removed : removed > 0);
	return 0;
}

int
hub_history_run(struct hub_history *history, struct conn *worker, const struct hub_command *command)
{
	static const struct {
		struct text name;
		int (*run)(struct hub_history *history, struct conn *worker, const struct hub_command *command);
	} commands[] = {
		{{"XADD", 4}, run_xadd},
		{{"PEXPIRE", 7}, run_age},
		{{"PERSIST", 7}, run_age},
		{{"XRANGE", 6}, run_range},
		{{"XREVRANGE", 9}, run_range},
		{{"XDEL", 4}, run_remove},
		{{"DEL", 3}, run_remove},
	};

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (text_is(command->args[0], commands[i].name))
			return command->count < 2 ? ERROR_ARGUMENT : commands[i].run(history, worker, command);
	}
	return ERROR_NOT_FOUND;
}

static void
hub_history_on_sweep(struct wheel_entry *entry)
{
	struct hub_history *history = container_of(entry, struct hub_history, timer);

	history_table_sweep(&history->table, loop_wall_ms());
	if (history->table.entries > 0)
		loop_arm(history->loop, &history->timer, SWEEP_MS);
}

void
hub_history_init(struct hub_history *history, struct loop *l, uint64_t max_bytes)
{
	history_table_init(&history->table, max_bytes);
	history->loop = l;
	wheel_entry_init(&history->timer, hub_history_on_sweep);
}

void
hub_history_fini(struct hub_history *history)
{
	loop_disarm(history->loop, &history->timer);
	history_table_fini(&history->table);
}
