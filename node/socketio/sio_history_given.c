#include "node/socketio/sio_history_given.h"

#include "node/socketio/sio_history_join_state.h"
#include "node/socketio/sio_nsp.h"

#define MORE 0x80u

static void
put_number(struct buffer *out, uint64_t number)
{
	for (; number >= MORE; number >>= 7)
		buffer_add_byte(out, (uint8_t)(number | MORE));
	buffer_add_byte(out, (uint8_t)number);
}

static uint64_t
get_number(struct keep_reader *in)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = keep_get_u8(in);

		if (shift == 63 && byte > 1)
			break; /* it has more than 64 bits */
		number |= (uint64_t)(byte & (MORE - 1)) << shift;
		if ((byte & MORE) == 0)
			return number;
	}
	in->bad = true;
	return 0;
}

/* Writes the marks of one origin, which begin at `from`. Returns the index behind them. */
static unsigned
write_origin(const struct sio_history_join *join, unsigned from, struct buffer *out)
{
	uint64_t origin = join->sent[from].origin, number = 0;
	unsigned to = from;

	while (to < join->sent_count && join->sent[to].origin == origin)
		to++;
	keep_put_u64(out, origin);
	put_number(out, to - from);
	for (; from < to; from++) {
		put_number(out, join->sent[from].number - number);
		number = join->sent[from].number;
	}
	return to;
}

/* Returns the name of the join's room. */
static struct text
room_of(const struct sio_history_join *join)
{
	size_t nsp = sio_nsp_text(join->socket->nsp).n + 1; /* see sio_history_key() */

	return text_of(join->group->key + nsp, join->group->node.key_len - nsp);
}

void
sio_history_given_write(const struct sio_socket *s, struct buffer *out)
{
	for (const struct sio_history_join *join = s->extra->joins; join != NULL; join = join->next) {
		if (join->sent_count == 0)
			continue;
		keep_put_text(out, room_of(join));
		buffer_add_byte(out, join->whole);
		put_number(out, join->sent_count);
		for (unsigned i = 0; i < join->sent_count;)
			i = write_origin(join, i, out);
	}
}

/*
 * Lets the groups of the socket's joins point to them. This holds until another socket needs it, or this socket has a
 * new join.
 */
static void
index_joins(struct sio_history *history, const struct sio_socket *s)
{
	if (history->indexed == s)
		return;
	for (struct sio_history_join *join = s->extra->joins; join != NULL; join = join->next)
		join->group->indexed = join;
	history->indexed = s;
}

/* Returns the join of the indexed socket in this room, or NULL. */
static const struct sio_history_join *
join_of(struct sio_history *history, const struct sio_socket *s, struct text room)
{
	struct text key = sio_history_key(history, sio_nsp_text(s->nsp), room);
	struct table_node *node = table_find(&history->groups, key);
	const struct sio_history_join *join =
		node != NULL ? container_of(node, struct join_group, node)->indexed : NULL;

	return join != NULL && join->socket == s ? join : NULL;
}

/* A client may have thousands of joins and of missed events. So no event is compared with all joins. */
bool
sio_history_given_covers(const struct sio_socket *s, const struct wire_target *to)
{
	struct sio_history *history = s->nsp->io->history;
	bool covers = false;

	if (to->mark.origin == 0)
		return false;
	index_joins(history, s);
	for (unsigned i = 0; i < to->room_count && !covers; i++) {
		const struct sio_history_join *join = join_of(history, s, to->rooms[i]);

		covers = join != NULL && sio_history_mark_covers(join, to->mark);
	}
	return covers;
}

bool
sio_history_given_room(struct sio_history_given *from, struct text *room)
{
	if (from->in.bad || from->in.rest.n == 0)
		return false;
	*room = keep_get_text(&from->in);
	from->whole = keep_get_u8(&from->in) != 0;
	from->left = get_number(&from->in);
	from->run = 0;
	from->mark = (struct wire_mark){0, 0};
	if (from->left == 0 || from->left > SIO_HISTORY_GIVEN_MAX)
		from->in.bad = true;
	return !from->in.bad;
}

/* Reads the head of the next origin. */
static void
get_origin(struct sio_history_given *from)
{
	uint64_t origin = keep_get_u64(&from->in);

	from->run = get_number(&from->in);
	if (origin <= from->mark.origin || from->run == 0 || from->run > from->left)
		from->in.bad = true;
	from->mark = (struct wire_mark){origin, 0};
}

bool
sio_history_given_mark(struct sio_history_given *from, struct wire_mark *mark)
{
	bool first = from->run == 0;
	uint64_t step;

	if (from->in.bad || from->left == 0)
		return false;
	if (first)
		get_origin(from);
	step = get_number(&from->in);
	if ((step == 0 && !first) || step > UINT64_MAX - from->mark.number)
		from->in.bad = true;
	from->mark.number += step;
	from->left--;
	from->run--;
	*mark = from->mark;
	return !from->in.bad;
}
