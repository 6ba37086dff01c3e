/*
 * States of the store:
 *
 *   state       event                                    next state
 *   RESTING     streams_store_connect()                  CONNECTING
 *   CONNECTING  logged in                                READY
 *   PAUSING     the pause is over                        CONNECTING
 *   any         the link is lost                         PAUSING, or RESTING after streams_store_rest()
 *   any         streams_store_close()                    CLOSING
 *   CLOSING     nothing waits for an answer any more,    CLOSED
 *               flush_ms have passed, or the link is lost
 *
 * Commands wait in `waiting` and then, once they are sent, in `sent`, in their order.
 */
#include "broker/streams_store.h"

#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_login.h"
#include "broker/streams_parser.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 1000
#define TICK_MS 500	       /* interval at which late commands are looked for */
#define WAITING_MAX (32 << 20) /* bytes of commands that wait and that are not answered */
#define QUEUED_MAX (1 << 20)   /* bytes queued in the connection */
#define SENT_MAX 1024	       /* commands that are not answered */
#define UNASKED_WAIT_MS 600000 /* how long a command without a question may wait */
#define COMMAND_MAX (2 << 20)  /* bytes of one command */

struct bus_stream_command {
	struct list link;
	struct bus_stream_question *question; /* NULL: nobody waits for the answer */
	struct block *bytes;
	uint64_t until; /* loop time */
	bool entries, repeatable;
};

struct streams_store {
	struct loop *loop;
	struct bus_link link;
	struct streams_parser parser;
	struct wheel_entry timer; /* the pause, or the end of the flush */
	struct wheel_entry tick;  /* looks for late commands while there are any */
	struct loop_call call;	  /* reports the end */
	enum { STORE_RESTING, STORE_CONNECTING, STORE_READY, STORE_PAUSING, STORE_CLOSING, STORE_CLOSED } state;
	bool retries;
	unsigned attempts, sent_count;
	uint64_t timeout_ms, read_before, read_at;
	uint64_t bytes; /* of all commands */
	struct list waiting, sent;
	struct log_limit log_limit;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* --------------------------------------------------------------- commands */

static struct bus_stream_command *
store_first(const struct list *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct bus_stream_command, link);
}

/* Frees the command and ends its question. */
static void
store_end(struct streams_store *store, struct bus_stream_command *command, int error, const struct resp_item *answer)
{
	struct bus_stream_question *question = command->question;

	list_remove(&command->link);
	store->bytes -= command->bytes->len;
	block_unref(command->bytes);
	mem_free(command);
	if (question == NULL)
		return;
	question->command = NULL;
	question->on_end(question, error, answer);
}

static void
store_end_all(struct streams_store *store, struct list *list, int error)
{
	struct bus_stream_command *command;

	while ((command = store_first(list)) != NULL)
		store_end(store, command, error, NULL);
}

static void
store_send(struct streams_store *store)
{
	struct bus_stream_command *command;

	if (!store->link.ready)
		return;
	while ((command = store_first(&store->waiting)) != NULL && store->sent_count < SENT_MAX &&
		conn_queued(store->link.conn) < QUEUED_MAX) {
		conn_send(store->link.conn, command->bytes, 0, command->bytes->len);
		if (store->sent_count++ == 0)
			store->read_at = store->loop->now;
		list_remove(&command->link);
		list_add_tail(&store->sent, &command->link);
	}
}

static struct block *
store_write(unsigned count, const struct text *args, int *rc)
{
	struct block *bytes = NULL;
	struct buffer out;

	buffer_init(&out, COMMAND_MAX);
	buffer_printf(&out, "*%u\r\n", count);
	for (unsigned i = 0; i < count; i++) {
		buffer_printf(&out, "$%zu\r\n", args[i].n);
		buffer_add_text(&out, args[i]);
		buffer_add_text(&out, TEXT("\r\n"));
	}
	*rc = buffer_error(&out);
	if (*rc == 0)
		bytes = block_try_copy(out.data, out.len);
	if (*rc == 0 && bytes == NULL)
		*rc = ERROR_MEMORY;
	buffer_fini(&out);
	return bytes;
}

int
streams_store_ask(
	struct streams_store *store, struct bus_stream_question *question, unsigned count, const struct text *args)
{
	struct bus_stream_command *command;
	struct block *bytes;
	int rc;

	if (store->state == STORE_CLOSED || store->state == STORE_CLOSING)
		return ERROR_CLOSED;
	bytes = store_write(count, args, &rc);
	if (bytes == NULL)
		return rc;
	if (store->bytes + bytes->len > WAITING_MAX) {
		block_unref(bytes);
		return ERROR_TOO_BIG;
	}
	command = mem_alloc(sizeof *command);
	*command = (struct bus_stream_command){.question = question,
		.bytes = bytes,
		.until = store->loop->now + (question != NULL ? question->wait_ms : UNASKED_WAIT_MS),
		.entries = question != NULL && question->entries,
		.repeatable = question == NULL || question->repeatable};
	list_init(&command->link);
	if (question != NULL)
		question->command = command;
	if (list_empty(&store->waiting) && list_empty(&store->sent))
		loop_arm(store->loop, &store->tick, TICK_MS);
	list_add_tail(&store->waiting, &command->link);
	store->bytes += bytes->len;
	store_send(store);
	return 0;
}

void
streams_store_cancel(struct bus_stream_question *question)
{
	if (question->command != NULL)
		question->command->question = NULL;
	question->command = NULL;
}

/* ------------------------------------------------------------------- loss */

static void
store_report_closed(struct streams_store *store)
{
	store->state = STORE_CLOSED;
	loop_disarm(store->loop, &store->timer);
	loop_disarm(store->loop, &store->tick);
	loop_defer(store->loop, &store->call);
}

/* Commands that may be sent again go back to the head of the queue; the others end. */
static void
store_close_link(struct streams_store *store)
{
	struct list sent, again;

	bus_link_close(&store->link);
	streams_parser_reset(&store->parser);
	loop_disarm(store->loop, &store->timer);
	list_init(&sent);
	list_init(&again);
	list_move_all(&sent, &store->sent);
	store->sent_count = 0;
	while (!list_empty(&sent)) {
		struct bus_stream_command *command = store_first(&sent);

		if (!command->repeatable) {
			store_end(store, command, ERROR_CLOSED, NULL);
			continue;
		}
		list_remove(&command->link);
		list_add_tail(&again, &command->link);
	}
	list_move_all(&again, &store->waiting);
	list_move_all(&store->waiting, &again);
}

static void
store_finish(struct streams_store *store)
{
	store_close_link(store);
	store_end_all(store, &store->waiting, ERROR_CLOSED);
	store_report_closed(store);
}

static void
store_lost(struct streams_store *store, const char *why)
{
	uint64_t pause = store->attempts < 4 ? (uint64_t)PAUSE_MIN_MS << store->attempts : PAUSE_MAX_MS;

	if (store->state == STORE_CLOSING) {
		store_finish(store);
		return;
	}
	store->attempts++;
	if (log_allow(&store->log_limit, 1, store->loop->now))
		log_event(LOG_ERROR, "stream", "store", LOG_STR("down"), "reason", LOG_STR(why), "waiting_bytes",
			LOG_INT(store->bytes), NULL);
	store->state = store->retries ? STORE_PAUSING : STORE_RESTING;
	store_close_link(store);
	if (store->state == STORE_PAUSING)
		loop_arm(store->loop, &store->timer, pause / 2 + random_below((uint32_t)(pause / 2) + 1));
}

/* ----------------------------------------------------------------- answers */

static enum streams_shape
store_expects(void *arg)
{
	const struct streams_store *store = arg;
	const struct bus_stream_command *command = store_first(&store->sent);

	if (command == NULL)
		return store->link.renewal != NULL ? STREAMS_SCALAR : STREAMS_NOTHING;
	return command->entries ? STREAMS_ENTRIES : STREAMS_SCALAR;
}

static bool
store_expects_status(const struct bus_link *link)
{
	const struct streams_store *store = link->arg;

	return !list_empty(&store->sent) && !store_first(&store->sent)->entries;
}

static bool
store_on_stream(void *arg, struct text name, unsigned entries)
{
	(void)arg;
	(void)name;
	(void)entries;
	return true;
}

static bool
store_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	const struct streams_store *store = arg;
	const struct bus_stream_command *command = store_first(&store->sent);

	if (command != NULL && command->question != NULL && command->question->on_entry != NULL)
		command->question->on_entry(command->question, entry);
	return store->link.conn != NULL;
}

/* The owner of the question sees an entry without fields, which it does not understand. */
static bool
store_on_too_big(void *arg, struct wire_stream_id id)
{
	const struct wire_stream_entry entry = {.id = id};

	return store_on_entry(arg, &entry);
}

static bool
store_on_answer(void *arg, const struct resp_item *answer)
{
	struct streams_store *store = arg;
	const struct resp reply = {.type = answer->type, .text = answer->text};
	struct bus_stream_command *command;
	char why[BUS_WHY_MAX];

	if (bus_login_is_renewal(&store->link, &reply))
		return store->link.conn != NULL;
	command = store_first(&store->sent);
	if (command == NULL) {
		store_lost(store, "unexpected answer on the connection for recovery");
		return false;
	}
	if (answer->type == RESP_ERROR && bus_error_is_passing(answer->text)) {
		/* a session that is not stored now would stay unknown to Redis, because later changes only replace it
		 */
		bus_error_write(why, "the server cannot be used now", answer->text, store->link.password);
		store_lost(store, why);
		return false;
	}
	store->attempts = 0;
	store->sent_count--;
	if (answer->type == RESP_ERROR && (command->question == NULL || !command->question->reported) &&
		log_allow(&store->log_limit, 1, store->loop->now)) {
		bus_error_write(why, "command for recovery refused", answer->text, store->link.password);
		log_event(LOG_ERROR, "stream", "store", LOG_STR("refused"), "reason", LOG_STR(why), NULL);
	}
	store_end(store, command, answer->type == RESP_ERROR ? ERROR_CLOSED : 0, answer);
	if (store->link.conn == NULL)
		return false;
	store_send(store);
	if (store->state == STORE_CLOSING && list_empty(&store->sent)) {
		store_finish(store);
		return false;
	}
	return true;
}

static const struct streams_parser_ops parser_ops = {
	store_expects, store_on_stream, store_on_entry, store_on_too_big, store_on_answer};

/* ------------------------------------------------------------------- link */

static void
store_on_ready(struct bus_link *link)
{
	struct streams_store *store = link->arg;

	if (store->state == STORE_CONNECTING)
		store->state = STORE_READY;
	loop_disarm(store->loop, &store->timer);
	store_send(store);
}

static void
store_on_bytes(struct bus_link *link, struct text bytes)
{
	struct streams_store *store = link->arg;
	int rc;
	char why[BUS_WHY_MAX];

	store->read_at = store->loop->now;
	rc = streams_parser_feed(&store->parser, (const uint8_t *)bytes.at, bytes.n);
	if (rc == 0 || rc == ERROR_CLOSED)
		return;
	snprintf(why, sizeof why, "malformed answer from the server: %s", error_text(rc));
	store_lost(store, why);
}

static void
store_on_drain(struct bus_link *link)
{
	store_send(link->arg);
}

static void
store_on_link_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	store_lost(link->arg, why);
}

static const struct bus_link_ops link_ops = {.on_ready = store_on_ready,
	.on_drain = store_on_drain,
	.on_lost = store_on_link_lost,
	.on_bytes = store_on_bytes};

static void
store_dial(struct streams_store *store)
{
	store->state = STORE_CONNECTING;
	loop_arm(store->loop, &store->timer, 2 * store->timeout_ms);
	bus_link_open(&store->link);
}

static void
store_on_timer(struct wheel_entry *entry)
{
	struct streams_store *store = container_of(entry, struct streams_store, timer);

	if (store->state == STORE_PAUSING)
		store_dial(store);
	else if (store->state == STORE_CLOSING)
		store_finish(store);
	else if (store->state == STORE_CONNECTING)
		store_lost(store, "timed out connecting");
}

/* Ends the questions whose time is over. An answer that comes later is dropped. */
static void
store_end_late(struct streams_store *store)
{
	struct list late, *it, *next;

	list_init(&late);
	list_each(it, next, &store->waiting)
	{
		if (container_of(it, struct bus_stream_command, link)->until > store->loop->now)
			continue;
		list_remove(it);
		list_add_tail(&late, it);
	}
	store_end_all(store, &late, ERROR_TIMEOUT);
}

/* A command that is sent keeps its place, so that the answers are counted right. */
static void
store_give_up_sent(struct streams_store *store)
{
	struct list *it = store->sent.next;

	while (it != &store->sent) {
		struct bus_stream_command *command = container_of(it, struct bus_stream_command, link);
		struct bus_stream_question *question = command->question;

		if (question != NULL && command->until <= store->loop->now) {
			command->question = NULL;
			question->command = NULL;
			question->on_end(question, ERROR_TIMEOUT, NULL);
			it = store->sent.next; /* the callee may have done anything */
			continue;
		}
		it = it->next;
	}
}

static void
store_on_tick(struct wheel_entry *entry)
{
	struct streams_store *store = container_of(entry, struct streams_store, tick);

	if (store->sent_count > 0 && store->loop->now - store->read_at > store->timeout_ms)
		store_lost(store, "timed out waiting for an answer");
	store_end_late(store);
	store_give_up_sent(store);
	if (!list_empty(&store->waiting) || !list_empty(&store->sent))
		loop_arm(store->loop, &store->tick, TICK_MS);
}

/* ------------------------------------------------------------------- life */

static void
store_on_turn_end(struct loop_call *call)
{
	struct streams_store *store = container_of(call, struct streams_store, call);

	store->closed(store->closed_arg);
}

struct streams_store *
streams_store_new(struct loop *l, const struct streams_server *server, uint64_t timeout_ms)
{
	struct streams_store *store = mem_zalloc(sizeof *store);

	store->loop = l;
	store->timeout_ms = timeout_ms;
	list_init(&store->waiting);
	list_init(&store->sent);
	streams_server_init_link(server, l, timeout_ms, &store->link, &link_ops, store);
	store->link.expects_status = store_expects_status;
	streams_parser_init(&store->parser, &parser_ops, store);
	wheel_entry_init(&store->timer, store_on_timer);
	wheel_entry_init(&store->tick, store_on_tick);
	loop_call_init(&store->call, store_on_turn_end);
	return store;
}

void
streams_store_free(struct streams_store *store)
{
	if (store == NULL)
		return;
	must(store->state == STORE_CLOSED);
	loop_call_cancel(&store->call);
	streams_parser_fini(&store->parser);
	mem_free(store);
}

void
streams_store_connect(struct streams_store *store)
{
	if (store->state == STORE_CLOSED || store->state == STORE_CLOSING)
		return;
	store_close_link(store);
	store->retries = true;
	store_dial(store);
}

void
streams_store_rest(struct streams_store *store)
{
	store->retries = false;
	if (store->state != STORE_PAUSING && store->state != STORE_CONNECTING)
		return;
	store->state = STORE_RESTING;
	store_close_link(store);
}

void
streams_store_close(struct streams_store *store, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	store->closed = closed;
	store->closed_arg = arg;
	if (store->state != STORE_READY || flush_ms == 0 ||
		(list_empty(&store->waiting) && list_empty(&store->sent))) {
		store->state = STORE_CLOSING;
		store_finish(store);
		return;
	}
	store->state = STORE_CLOSING;
	loop_arm(store->loop, &store->timer, flush_ms);
}
