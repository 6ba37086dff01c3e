#include "node/backend/backend_frame.h"

#include "common/base/error.h"

/* The compiler turns each of these functions into a single load. */
static uint16_t
read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t
read_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void
backend_write_number(uint8_t *at, uint32_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

int64_t
backend_frame_read(struct backend_frame *out, const uint8_t *bytes, size_t n, size_t max_frame)
{
	uint32_t length;

	if (n < 4)
		return 0;
	length = read_u32(bytes);
	if (length > max_frame)
		return ERROR_TOO_BIG;
	if (n < BACKEND_HEAD || n - BACKEND_HEAD < length)
		return 0;
	*out = (struct backend_frame){
		.type = bytes[4],
		.flags = bytes[5],
		.nsp = read_u16(bytes + 6),
		.handle = read_u32(bytes + 8),
		.id = read_u32(bytes + 12),
		.body = text_of((const char *)bytes + BACKEND_HEAD, length),
	};
	return (int64_t)BACKEND_HEAD + length;
}

void
backend_frame_head(uint8_t out[BACKEND_HEAD], const struct backend_frame *f)
{
	backend_write_number(out, (uint32_t)f->body.n, 4);
	out[4] = f->type;
	out[5] = f->flags;
	backend_write_number(out + 6, f->nsp, 2);
	backend_write_number(out + 8, f->handle, 4);
	backend_write_number(out + 12, f->id, 4);
}

/* Reads a number of 2 or 4 bytes. */
static bool
take_number(struct text *body, unsigned width, uint32_t *out)
{
	if (body->n < width)
		return false;
	*out = width == 2 ? read_u16((const uint8_t *)body->at) : read_u32((const uint8_t *)body->at);
	*body = text_of(body->at + width, body->n - width);
	return true;
}

static bool
take_sized(struct text *body, unsigned width, struct text *out)
{
	struct text rest = *body;
	uint32_t n;

	if (!take_number(&rest, width, &n) || rest.n < n)
		return false;
	*out = text_of(rest.at, n);
	*body = text_of(rest.at + n, rest.n - n);
	return true;
}

bool
backend_take_u32(struct text *body, uint32_t *out)
{
	return take_number(body, 4, out);
}

bool
backend_take_text(struct text *body, struct text *out)
{
	return take_sized(body, 4, out);
}

int
backend_take_rooms(struct text *body, struct text *out, unsigned max)
{
	struct text rest = *body;
	uint32_t count;

	if (!take_number(&rest, 2, &count))
		return ERROR_SYNTAX;
	if (count > max)
		return ERROR_TOO_MANY;
	for (uint32_t i = 0; i < count; i++) {
		if (!take_sized(&rest, 2, &out[i]))
			return ERROR_SYNTAX;
	}
	*body = rest;
	return (int)count;
}

int
backend_take_args(struct text body, uint8_t flags, struct text *json, struct text *attachments, unsigned max)
{
	unsigned count = 0;

	if (!(flags & BACKEND_F_BIN)) {
		*json = body;
		return 0;
	}
	if (!take_sized(&body, 4, json))
		return ERROR_SYNTAX;
	while (body.n > 0) {
		if (count == max)
			return ERROR_TOO_MANY;
		if (!take_sized(&body, 4, &attachments[count++]))
			return ERROR_SYNTAX;
	}
	return (int)count;
}

/* The names used in metrics and log lines. */
static const char *const type_names[BACKEND_TYPES] = {
#define X(type, word, sender) word,
	BACKEND_TYPE_TABLE(X)
#undef X
};
static const uint8_t senders[BACKEND_TYPES] = {
#define X(type, word, sender) sender,
	BACKEND_TYPE_TABLE(X)
#undef X
};

const char *
backend_type_name(uint8_t type)
{
	return type < BACKEND_TYPES ? type_names[type] : "unknown";
}

bool
backend_sends(unsigned who, uint8_t type)
{
	return type < BACKEND_TYPES && (senders[type] & who) != 0;
}
