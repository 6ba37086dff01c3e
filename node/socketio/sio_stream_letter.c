#include "node/socketio/sio_stream_letter.h"

#include "broker/broker.h"
#include "common/base/bytes.h"

void
sio_stream_letter_put(struct sio_stream_letter *letter, struct text field)
{
	if (letter->n + 2 + field.n > sizeof letter->bytes)
		return; /* without this field, the reader refuses the message */
	bytes_write(letter->bytes + letter->n, field.n, 2);
	if (field.n > 0)
		memcpy(letter->bytes + letter->n + 2, field.at, field.n);
	letter->n += 2 + field.n;
}

bool
sio_stream_letter_get(struct text *rest, size_t max, struct text *field)
{
	size_t n;

	if (rest->n < 2)
		return false;
	n = (size_t)((uint8_t)rest->at[0] << 8 | (uint8_t)rest->at[1]);
	if (n > max || rest->n - 2 < n)
		return false;
	*field = text_of(rest->at + 2, n);
	*rest = text_of(rest->at + 2 + n, rest->n - 2 - n);
	return true;
}

int
sio_stream_letter_send(const struct sio_nsp *nsp, struct bus_stream_question *question, struct text uid,
	const struct sio_stream_letter *letter)
{
	return broker_stream_tell(nsp->broker, question, uid, text_of((const char *)letter->bytes, letter->n));
}
