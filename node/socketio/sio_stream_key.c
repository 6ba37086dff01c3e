#include "node/socketio/sio_stream_key.h"

#include "broker/broker.h"

struct text
sio_stream_key(struct sio_stream *stream, struct text pid)
{
	buffer_reset(&stream->key);
	broker_stream_key(stream->broker, pid, &stream->key);
	return buffer_text(&stream->key);
}
