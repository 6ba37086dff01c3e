#include "node/socketio/sio_stream_expiry.h"

#include "broker/broker.h"
#include "common/base/must.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stream_record.h"
#include "node/socketio/sio_stream_key.h"
#include "node/socketio/sio_stream_write.h"

#define ASK_MS 5000

/* KEYS: session. ARGV: token. Returns the removed session, or nil. */
static const char script[] = "local v = redis.call('GET', KEYS[1])\n"
			     "if not v or string.sub(v, -#ARGV[1]) ~= ARGV[1] then return false end\n"
			     "redis.call('DEL', KEYS[1])\n"
			     "return v\n";

void
sio_stream_expiry_token(struct text value, char token[SIO_EXPIRY_TOKEN])
{
	must(value.n > SIO_EXPIRY_TOKEN);
	memcpy(token, value.at + value.n - SIO_EXPIRY_TOKEN, SIO_EXPIRY_TOKEN);
}

/* Reports the session that has been removed. Frees the entry. */
static void
expiry_report(struct sio_expiring *expiring, struct text value)
{
	struct sio_stream *stream = expiring->nsp->io->recovery->stream;
	struct sio_stream_session record;
	struct sio_stored *data = NULL;
	struct buffer map, rooms;
	bool failed = true;

	buffer_init(&map, SIO_STREAM_SESSION_MAX + 16);
	buffer_init(&rooms, 2 * SIO_STREAM_SESSION_MAX);
	if (sio_stream_record_read(stream, expiring->nsp, sio_expiring_pid(expiring), value, &map, &rooms, &record) ==
		SIO_RECOVERY_RECOVERED)
		data = sio_stream_record_data(&record, &failed);
	if (failed)
		sio_expiry_gone(expiring); /* no memory, or somebody else has written the value */
	else
		sio_expiry_removed(expiring, record.sid, data);
	sio_stored_unref(data);
	buffer_fini(&map);
	buffer_fini(&rooms);
}

static void
expiry_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	struct sio_expiring *expiring = container_of(question, struct sio_expiring, question);
	struct sio_nsp *nsp = expiring->nsp;

	if (nsp->broker == NULL) {
		sio_expiry_gone(expiring);
	} else if (error != 0 && expiring->why == SIO_SESSION_DISPLACED) {
		/* Redis may refuse scripts, and the client must not come back with the rooms of this session */
		sio_stream_remove(nsp, sio_expiring_pid(expiring), true);
		sio_expiry_gone(expiring);
	} else if (error != 0) {
		sio_expiry_again(expiring);
	} else if (answer->type == RESP_BULK) {
		expiry_report(expiring, answer->text);
	} else {
		sio_expiry_gone(expiring);
	}
}

static bool
expiry_remove(struct sio_expiring *expiring)
{
	struct sio_stream *stream = expiring->nsp->io->recovery->stream;
	struct text args[5] = {TEXT("EVAL"), text_of(script, sizeof script - 1), TEXT("1")};

	if (expiring->nsp->broker == NULL)
		return false;
	args[3] = sio_stream_key(stream, sio_expiring_pid(expiring));
	args[4] = text_of(expiring->token, SIO_EXPIRY_TOKEN);
	expiring->question = (struct bus_stream_question){.on_end = expiry_on_end, .wait_ms = ASK_MS};
	return broker_stream_ask(stream->broker, &expiring->question, 5, args) == 0;
}

static void
expiry_cancel(struct sio_expiring *expiring)
{
	if (expiring->question.command != NULL)
		broker_stream_cancel(expiring->nsp->io->recovery->stream->broker, &expiring->question);
}

const struct sio_expiry_peer sio_stream_expiry_peer = {.remove = expiry_remove, .cancel = expiry_cancel};
