#include "node/socketio/sio_stream_key.h"

#include "broker/broker.h"
#include "node/socketio/sio_nsp.h"

struct text
sio_stream_key(struct sio_stream *stream, const struct sio_nsp *nsp, struct text pid)
{
	buffer_reset(&stream->key);
	broker_stream_key(nsp->broker, pid, &stream->key);
	return buffer_text(&stream->key);
}

void
sio_stream_remove(struct sio_stream *stream, const struct sio_nsp *nsp, struct text pid)
{
	struct text args[2] = {TEXT("DEL"), sio_stream_key(stream, nsp, pid)};

	(void)broker_stream_ask(nsp->broker, NULL, 2, args);
}
