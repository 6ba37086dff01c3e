/* The rate limit that the application asks for: sio_rate_allows(). */
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_server.h"
#include "node/socketio/sio_socket.h"

bool
sio_rate_allows(sio_socket *s, unsigned burst, double per_second)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	uint64_t now = s->nsp->io->loop->now;
	struct sio_rate *rate;

	if (s->state == SIO_GONE)
		return false;
	rate = &sio_socket_extra(s)->rate;
	if (!rate->begun)
		rate->left = burst;
	else if (per_second > 0)
		rate->left += (double)(now - rate->at) / 1000 * per_second;
	rate->begun = true;
	rate->at = now;
	if (!(rate->left <= burst))
		rate->left = burst;
	if (rate->left < 1)
		return false;
	rate->left--;
	return true;
}
