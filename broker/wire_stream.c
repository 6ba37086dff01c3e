#include "broker/wire_stream.h"

#include <inttypes.h>
#include <stdio.h>

#include "broker/resp_tree.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"

#define TYPE_MAX 255 /* largest type of a message; those of the cluster adapter end at 13 */
#define SEAL_MAX 64  /* maximum bytes of a seal as Base64 */

/* --------------------------------------------------------------------- ids */

int
wire_stream_id_parse(struct text text, struct wire_stream_id *out)
{
	struct text ms;

	if (!text_cut(&text, '-', &ms) || text_number(ms, UINT64_MAX, &out->ms) < 0 ||
		text_number(text, UINT64_MAX, &out->seq) < 0)
		return ERROR_SYNTAX;
	return 0;
}

size_t
wire_stream_id_write(struct wire_stream_id id, char out[WIRE_STREAM_ID_SIZE])
{
	return (size_t)snprintf(out, WIRE_STREAM_ID_SIZE, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
}

struct wire_stream_id
wire_stream_id_next(struct wire_stream_id id)
{
	if (++id.seq == 0)
		id.ms++;
	return id;
}

int
wire_stream_id_compare(struct wire_stream_id a, struct wire_stream_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* ------------------------------------------------------------------- names */

/* Decodes the character at the start of a text and returns its length. Each byte of invalid UTF-8 is a character. */
static size_t
stream_hash_character(struct text text, uint32_t *character)
{
	const uint8_t *at = (const uint8_t *)text.at;
	size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 1;

	*character = at[0];
	if (n == 1 || n > text.n)
		return 1;
	*character = at[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*character = *character << 6 | (at[i] & 0x3fu);
	return n;
}

int32_t
wire_stream_hash(struct text name)
{
	uint32_t hash = 0, character;

	while (name.n > 0) {
		size_t n = stream_hash_character(name, &character);

		if (character > 0xffff) { /* a surrogate pair in UTF-16 */
			hash = 31 * hash + (0xd800 + ((character - 0x10000) >> 10));
			character = 0xdc00 + ((character - 0x10000) & 0x3ff);
		}
		hash = 31 * hash + character;
		name = text_of(name.at + n, name.n - n);
	}
	return (int32_t)hash;
}

int
wire_stream_number(struct text nsp, unsigned count)
{
	return (int)(wire_stream_hash(nsp) % (int64_t)count);
}

void
wire_stream_name(struct buffer *out, struct text base, unsigned count, int number)
{
	buffer_add_text(out, base);
	if (count > 1)
		buffer_printf(out, "-%d", number);
}

unsigned
wire_stream_numbers(unsigned count)
{
	return 2 * count - 1;
}

int
wire_stream_number_at(unsigned count, unsigned index)
{
	return index < count ? (int)index : (int)count - 1 - (int)index;
}

unsigned
wire_stream_index_of(unsigned count, int number)
{
	return number >= 0 ? (unsigned)number : count - 1 + (unsigned)-number;
}

/* ------------------------------------------------------- entries: incoming */

static void
entry_set_field(struct wire_stream_entry *out, struct text name, struct text value)
{
	if (text_is(name, TEXT("uid")))
		out->uid = value;
	else if (text_is(name, TEXT("nsp")))
		out->nsp = value;
	else if (text_is(name, TEXT("type")))
		out->type = value;
	else if (text_is(name, TEXT("data")))
		out->data = value;
	else if (text_is(name, TEXT("seal")))
		out->seal = value;
	else if (text_is(name, TEXT("number")))
		out->number = value;
	else if (text_is(name, TEXT("order")))
		out->order = value;
}

/* Parses an item of the wanted type at *at and moves *at past it. Returns > 0, 0 or an error. */
static int64_t
entry_item(struct text in, int64_t *at, enum resp_type wanted, struct resp_item *item)
{
	int64_t n = resp_item_parse_up_to(
		item, text_of(in.at + *at, in.n - (size_t)*at), (uint64_t)(WIRE_STREAM_ENTRY_MAX - *at));

	if (n > 0 && item->type != wanted)
		return ERROR_SYNTAX;
	*at += n > 0 ? n : 0;
	return n > 0 && *at > WIRE_STREAM_ENTRY_MAX ? ERROR_TOO_BIG : n;
}

static int64_t
entry_parse_fields(struct text in, int64_t *at, int64_t items, struct wire_stream_entry *out)
{
	struct resp_item name, value;
	int64_t n;

	if (items == 0 || items % 2 != 0)
		return ERROR_SYNTAX;
	if (items > 2 * WIRE_STREAM_FIELDS_MAX)
		return ERROR_TOO_BIG;
	for (int64_t i = 0; i < items; i += 2) {
		n = entry_item(in, at, RESP_BULK, &name);
		if (n > 0)
			n = entry_item(in, at, RESP_BULK, &value);
		if (n <= 0)
			return n;
		entry_set_field(out, name.text, value.text);
	}
	return 1;
}

int64_t
wire_stream_entry_parse(struct text in, struct wire_stream_entry *out)
{
	struct resp_item item;
	int64_t at = 0, fields, n = entry_item(in, &at, RESP_ARRAY, &item);

	memset(out, 0, sizeof *out);
	if (n <= 0)
		return n;
	if (item.integer != 2)
		return ERROR_SYNTAX;
	n = entry_item(in, &at, RESP_BULK, &item);
	if (n <= 0)
		return n == ERROR_TOO_BIG ? ERROR_SYNTAX : n;
	out->id_text = item.text;
	if (wire_stream_id_parse(item.text, &out->id) < 0)
		return ERROR_SYNTAX;
	n = entry_item(in, &at, RESP_ARRAY, &item);
	fields = at;
	if (n > 0)
		n = entry_parse_fields(in, &at, item.integer, out);
	if (n <= 0)
		return n;
	out->fields = text_of(in.at + fields, (size_t)(at - fields));
	return at;
}

uint64_t
wire_stream_entry_number(const struct wire_stream_entry *entry)
{
	struct text text = entry->number.at != NULL ? entry->number : entry->order;
	uint64_t number;

	return text.at != NULL && text_number(text, UINT64_MAX, &number) == 0 ? number : 0;
}

static int
entry_type(const struct wire_stream_entry *entry, uint64_t *type)
{
	if (entry->uid.at == NULL || entry->nsp.at == NULL || entry->type.at == NULL)
		return ERROR_SYNTAX;
	return text_number(entry->type, TYPE_MAX, type) < 0 ? ERROR_SYNTAX : 0;
}

static void
message_add_json(struct buffer *out, const struct wire_stream_entry *entry, uint64_t type)
{
	buffer_printf(out, "{\"type\":%u", (unsigned)type);
	if (entry->data.n > 0) {
		buffer_add_text(out, TEXT(",\"data\":"));
		buffer_add_text(out, entry->data);
	}
	buffer_add_text(out, TEXT(",\"uid\":"));
	json_write_string(out, entry->uid);
	buffer_add_text(out, TEXT(",\"nsp\":"));
	json_write_string(out, entry->nsp);
	buffer_add_byte(out, '}');
}

static void
pack_string(struct buffer *out, struct text text)
{
	msgpack_add_string(out, (uint32_t)text.n);
	buffer_add_text(out, text);
}

/* Appends the end of a packed message: its uid and its namespace. */
static void
message_add_packed_end(struct buffer *out, struct text uid, struct text nsp)
{
	pack_string(out, TEXT("uid"));
	pack_string(out, uid);
	pack_string(out, TEXT("nsp"));
	pack_string(out, nsp);
}

/* Appends decoded Base64. Returns 0, ERROR_SYNTAX or the error of `out`. */
static int
add_base64_decoded(struct buffer *out, struct text text)
{
	uint8_t *room = buffer_room(out, BASE64_DECODED_MAX(text.n));
	int64_t n;

	if (room == NULL)
		return buffer_error(out);
	n = base64_decode_loose(text, room);
	if (n < 0)
		return ERROR_SYNTAX;
	out->len += (size_t)n;
	return 0;
}

static int
message_add_packed(struct buffer *out, const struct wire_stream_entry *entry, uint64_t type)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXMAP | 4);
	pack_string(out, TEXT("type"));
	if (type > INT8_MAX)
		buffer_add_byte(out, MSGPACK_UINT_8);
	buffer_add_byte(out, (uint8_t)type);
	pack_string(out, TEXT("data"));
	rc = add_base64_decoded(out, entry->data);
	message_add_packed_end(out, entry->uid, entry->nsp);
	return rc;
}

int
wire_stream_message(struct buffer *out, const struct wire_stream_entry *entry)
{
	uint64_t type;
	int rc = entry_type(entry, &type);

	if (rc < 0)
		return rc;
	if (entry->data.n > 0 && entry->data.at[0] != '{')
		rc = message_add_packed(out, entry, type);
	else
		message_add_json(out, entry, type);
	if (rc == 0 && entry->seal.at != NULL)
		rc = entry->seal.n <= SEAL_MAX ? add_base64_decoded(out, entry->seal) : ERROR_SYNTAX;
	return rc < 0 ? rc : buffer_error(out);
}

/* ------------------------------------------------------- entries: outgoing */

/* A message {type, data, uid, nsp} in parts. */
struct message_parts {
	unsigned type;
	bool packed;
	struct text data; /* TEXT_NONE: the message has none */
};

static bool
text_skip(struct text *rest, struct text prefix)
{
	if (!text_starts(*rest, prefix))
		return false;
	*rest = text_of(rest->at + prefix.n, rest->n - prefix.n);
	return true;
}

/* Cuts the type off the beginning of a message and leaves the rest. */
static bool
parts_read_type(struct text *rest, struct message_parts *out)
{
	size_t digits = 0;

	out->type = 0;
	if (text_skip(rest, TEXT("{\"type\":"))) {
		for (; digits < rest->n && digits < 3 && rest->at[digits] >= '0' && rest->at[digits] <= '9'; digits++)
			out->type = 10 * out->type + (unsigned)(rest->at[digits] - '0');
		*rest = text_of(rest->at + digits, rest->n - digits);
		return digits > 0;
	}
	out->packed = true;
	if (!text_skip(rest, TEXT("\x84\xa4type")) && !text_skip(rest, TEXT("\x83\xa4type")))
		return false;
	if (rest->n == 0 || (uint8_t)rest->at[0] > INT8_MAX)
		return false;
	out->type = (uint8_t)rest->at[0];
	*rest = text_of(rest->at + 1, rest->n - 1);
	return true;
}

int
wire_stream_type(struct text message)
{
	struct message_parts parts = {0};

	return parts_read_type(&message, &parts) ? (int)parts.type : -1;
}

bool
wire_stream_type_is_kept(int type)
{
	return type >= 4 && type <= 6;
}

/* Removes the end of the message, which follows from `uid` and `nsp`. */
static int
parts_cut_end(struct text *rest, bool packed, struct text uid, struct text nsp)
{
	struct buffer end;
	bool fits;

	buffer_init(&end, rest->n + 1);
	if (packed) {
		message_add_packed_end(&end, uid, nsp);
	} else {
		buffer_add_text(&end, TEXT(",\"uid\":"));
		json_write_string(&end, uid);
		buffer_add_text(&end, TEXT(",\"nsp\":"));
		json_write_string(&end, nsp);
		buffer_add_byte(&end, '}');
	}
	fits = buffer_error(&end) == 0 && text_ends(*rest, buffer_text(&end));
	rest->n -= fits ? end.len : 0;
	buffer_fini(&end);
	return fits ? 0 : ERROR_SYNTAX;
}

static int
parts_read(struct text message, struct text uid, struct text nsp, struct message_parts *out)
{
	struct text rest = message;

	*out = (struct message_parts){0};
	if (!parts_read_type(&rest, out) || parts_cut_end(&rest, out->packed, uid, nsp) < 0)
		return ERROR_SYNTAX;
	if (rest.n == 0)
		return 0;
	if (!text_skip(&rest, out->packed ? TEXT("\xa4"
						 "data")
					  : TEXT(",\"data\":")) ||
		rest.n == 0)
		return ERROR_SYNTAX;
	out->data = rest;
	return 0;
}

static void
add_bulk(struct buffer *out, struct text text)
{
	buffer_printf(out, "$%zu\r\n", text.n);
	buffer_add_text(out, text);
	buffer_add_text(out, TEXT("\r\n"));
}

static void
add_bulk_base64(struct buffer *out, struct text bytes)
{
	size_t n = BASE64_ENCODED(bytes.n);
	uint8_t *room;

	buffer_printf(out, "$%zu\r\n", n);
	room = buffer_room(out, n);
	if (room == NULL)
		return;
	base64_encode(bytes.at, bytes.n, (char *)room);
	out->len += n;
	buffer_add_text(out, TEXT("\r\n"));
}

int
wire_stream_add(struct buffer *out, struct text stream, uint64_t max_len, struct text message, struct text uid,
	struct text nsp, size_t tag, struct wire_stream_order order, size_t *fields)
{
	struct message_parts parts;
	struct text seal = TEXT_NONE;
	char digits[24];

	if (tag > 0) {
		if (message.n < tag)
			return ERROR_SYNTAX;
		message.n -= tag;
		seal = text_of(message.at + message.n, tag);
	}
	if (parts_read(message, uid, nsp, &parts) < 0)
		return ERROR_SYNTAX;
	buffer_printf(out, "*%u\r\n",
		6 + 6 + (parts.data.at != NULL ? 2 : 0) + (tag > 0 ? 2 : 0) + (order.number != 0 ? 2 : 0));
	add_bulk(out, TEXT("XADD"));
	add_bulk(out, stream);
	add_bulk(out, TEXT("MAXLEN"));
	add_bulk(out, TEXT("~"));
	add_bulk(out, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, max_len)));
	add_bulk(out, TEXT("*"));
	*fields = out->len;
	add_bulk(out, TEXT("uid"));
	add_bulk(out, uid);
	add_bulk(out, TEXT("nsp"));
	add_bulk(out, nsp);
	add_bulk(out, TEXT("type"));
	add_bulk(out, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%u", parts.type)));
	if (parts.data.at != NULL) {
		add_bulk(out, TEXT("data"));
		if (parts.packed)
			add_bulk_base64(out, parts.data);
		else
			add_bulk(out, parts.data);
	}
	if (tag > 0) {
		add_bulk(out, TEXT("seal"));
		add_bulk_base64(out, seal);
	}
	if (order.number != 0) {
		add_bulk(out, order.awaited ? TEXT("number") : TEXT("order"));
		add_bulk(out, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, order.number)));
	}
	return buffer_error(out);
}
