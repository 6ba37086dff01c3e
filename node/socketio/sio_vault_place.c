#include "node/socketio/sio_vault_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ORIGIN_TEXT_MAX (SIO_ORIGIN_LENGTH + 1)

/* ----------------------------------------------------------------- reading */

/* Takes the text before the next of the characters `ends` off `rest`. Returns that character, or 0 at the end. */
static char
place_cut(struct text *rest, const char *ends, struct text *part)
{
	size_t n = 0;
	char end;

	while (n < rest->n && strchr(ends, rest->at[n]) == NULL)
		n++;
	*part = text_of(rest->at, n);
	end = n < rest->n ? rest->at[n] : 0;
	*rest = n < rest->n ? text_of(rest->at + n + 1, rest->n - n - 1) : text_of(rest->at + n, 0);
	return end;
}

static bool
place_read_number(struct text text, uint64_t *value)
{
	if (text.n == 0 || text.n > 20)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	}
	return text_number(text, UINT64_MAX / 4, value) == 0;
}

static bool
cut_number(struct text *rest, const char *ends, uint64_t *value)
{
	struct text part;

	(void)place_cut(rest, ends, &part);
	return place_read_number(part, value);
}

/* ------------------------------------------------------------------ places */

size_t
sio_vault_place_write(const struct sio_vault_place *place, char out[SIO_PLACE_MAX + 1])
{
	size_t n = bus_position_write(out, place->entry);

	if (place->number != 0)
		n += (size_t)snprintf(out + n, SIO_PLACE_MAX + 1 - n, ".%.*s.%" PRIu64, BUS_SENDER_LENGTH,
			place->sender, place->number);
	if (place->open != 0) {
		n += (size_t)snprintf(
			out + n, SIO_PLACE_MAX + 1 - n, "~%" PRIu64 "~%" PRIu64 "~", place->newest, place->open);
		n += bus_position_write(out + n, place->floor);
	}
	return n;
}

bool
sio_vault_place_read(struct text text, struct sio_vault_place *place)
{
	char again[SIO_PLACE_MAX + 1], end;
	struct text rest = text, part;

	*place = (struct sio_vault_place){.number = 0};
	if (text.n > SIO_PLACE_MAX || (text.n > 0 && memchr(text.at, '\0', text.n) != NULL))
		return false;
	end = place_cut(&rest, ".~", &part);
	if (!bus_position_parse(part, &place->entry))
		return false;
	if (end == '.') {
		(void)place_cut(&rest, ".", &part);
		if (part.n != BUS_SENDER_LENGTH)
			return false;
		memcpy(place->sender, part.at, BUS_SENDER_LENGTH);
		end = place_cut(&rest, "~", &part);
		if (!place_read_number(part, &place->number))
			return false;
	}
	if (end == '~' && (!cut_number(&rest, "~", &place->newest) || !cut_number(&rest, "~", &place->open) ||
				  !bus_position_parse(rest, &place->floor)))
		return false;
	return text_is(text, text_of(again, sio_vault_place_write(place, again)));
}

bool
sio_vault_offset_read(const char epoch[SIO_EPOCH_LENGTH], struct text text, struct sio_vault_offset *offset)
{
	struct text rest = text, position;

	return place_cut(&rest, ":", &position) == ':' && sio_recovery_position_read(epoch, position, &offset->at) &&
	       sio_vault_place_read(rest, &offset->place);
}

/* ------------------------------------------------------------------- marks */

static void
origin_write(uint64_t origin, char out[ORIGIN_TEXT_MAX])
{
	memcpy(out, origin != 0 ? (const char *)&origin : "-\0\0\0\0\0\0", SIO_ORIGIN_LENGTH);
	out[SIO_ORIGIN_LENGTH] = '\0';
}

static bool
cut_origin(struct text *rest, uint64_t *origin)
{
	struct text part;

	*origin = 0;
	(void)place_cut(rest, " ", &part);
	if (part.n == SIO_ORIGIN_LENGTH)
		memcpy(origin, part.at, SIO_ORIGIN_LENGTH);
	return part.n == SIO_ORIGIN_LENGTH || text_is(part, TEXT("-"));
}

static size_t
before_write(const struct sio_vault_before *before, char out[SIO_MARK_MAX / 2])
{
	char offset[ORIGIN_TEXT_MAX], origin[ORIGIN_TEXT_MAX], place[SIO_PLACE_MAX + 1];

	origin_write(before->offset_origin, offset);
	origin_write(before->from.origin, origin);
	(void)sio_vault_place_write(&before->from.place, place);
	return (size_t)snprintf(out, SIO_MARK_MAX / 2, " %s %" PRIu64 " %s %" PRIu64 " %s", offset,
		before->offset_sum, origin, before->from.local, place);
}

size_t
sio_vault_mark_write(const struct sio_vault_mark *mark, char out[SIO_MARK_MAX])
{
	char bound[ORIGIN_TEXT_MAX], origin[ORIGIN_TEXT_MAX], place[SIO_PLACE_MAX + 1];
	size_t n;

	origin_write(mark->bound_origin, bound);
	origin_write(mark->origin, origin);
	(void)sio_vault_place_write(&mark->place, place);
	n = (size_t)snprintf(out, SIO_MARK_MAX / 2, "%s %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %s", bound,
		mark->bound_sum, mark->start, origin, mark->sum, mark->local, place);
	return mark->replayed ? n + before_write(&mark->before, out + n) : n;
}

static bool
before_read(struct text rest, struct sio_vault_before *before)
{
	return cut_origin(&rest, &before->offset_origin) && cut_number(&rest, " ", &before->offset_sum) &&
	       cut_origin(&rest, &before->from.origin) && cut_number(&rest, " ", &before->from.local) &&
	       sio_vault_place_read(rest, &before->from.place);
}

bool
sio_vault_mark_read(struct text text, struct sio_vault_mark *mark)
{
	struct text rest = text, place;

	mark->before = (struct sio_vault_before){.offset_origin = 0};
	if (!(cut_origin(&rest, &mark->bound_origin) && cut_number(&rest, " ", &mark->bound_sum) &&
		    cut_number(&rest, " ", &mark->start) && cut_origin(&rest, &mark->origin) &&
		    cut_number(&rest, " ", &mark->sum) && cut_number(&rest, " ", &mark->local)))
		return false;
	mark->replayed = place_cut(&rest, " ", &place) != 0;
	return sio_vault_place_read(place, &mark->place) && (!mark->replayed || before_read(rest, &mark->before));
}

/* ------------------------------------------------------------------ choice */

/* Returns true if the client has received the event of the mark's bound. */
static bool
has_got(const struct sio_vault_mark *mark, const struct sio_vault_offset *offset)
{
	uint64_t sum;

	if (mark->bound_origin == 0)
		return true;
	if (offset == NULL)
		return false;
	sum = offset->at.heard + offset->at.local;
	if (offset->at.origin == mark->bound_origin)
		return sum >= mark->bound_sum;
	return offset->at.origin == mark->origin && sum >= mark->start;
}

/*
 * Returns true if the client has received nothing of the mark's replay. Replayed events have the end of the replay as
 * their place, so an offset with the same sum is not one of theirs if its place is earlier.
 */
static bool
is_before(const struct sio_vault_mark *mark, const struct sio_vault_offset *offset)
{
	const struct sio_vault_before *before = &mark->before;

	if (!mark->replayed)
		return false;
	if (offset == NULL)
		return before->offset_origin == 0;
	return offset->at.origin == before->offset_origin &&
	       offset->at.heard + offset->at.local == before->offset_sum &&
	       bus_position_compare(offset->place.entry, before->from.place.entry) <= 0;
}

/*
 * Returns true if the offset is from a worker that the marks do not name, and from after the first mark. Stock
 * clients keep the offset of an earlier session, but that is from before. So a worker has continued the session, and
 * Redis has lost or not yet taken what it wrote: the marks do not tell what the client has got from that worker.
 */
static bool
is_unknown(const struct sio_vault_mark *changed, const struct sio_vault_mark *quiet,
	const struct sio_vault_offset *offset)
{
	uint64_t origin = offset->at.origin;

	return origin != changed->origin && origin != changed->bound_origin &&
	       (quiet == NULL || (origin != quiet->origin && origin != quiet->bound_origin)) &&
	       bus_position_compare(offset->place.entry, changed->place.entry) > 0;
}

bool
sio_vault_choose(const struct sio_vault_mark *changed, const struct sio_vault_mark *quiet,
	const struct sio_vault_offset *offset, struct sio_vault_from *out)
{
	const struct sio_vault_mark *best = changed;

	if (!has_got(changed, offset)) {
		*out = changed->before.from;
		return is_before(changed, offset);
	}
	if (offset != NULL && is_unknown(changed, quiet, offset))
		return false;
	/* all marks and later offsets are from one worker, whose sums grow in the order of the log */
	if (quiet != NULL && quiet->origin == changed->origin && has_got(quiet, offset))
		best = quiet;
	*out = (struct sio_vault_from){best->origin, best->local, best->place};
	if (offset != NULL && offset->at.origin == best->origin && offset->at.heard + offset->at.local > best->sum)
		*out = (struct sio_vault_from){offset->at.origin, offset->at.local, offset->place};
	return true;
}
