/* Properties of a connection's socket that the kernel knows. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "common/io/conn_internal.h"

bool
conn_is_local(const struct conn *c)
{
	return c->peer_family == 0;
}

bool
conn_peer_credentials(const struct conn *c, struct conn_credentials *out)
{
	struct ucred found;
	socklen_t n = sizeof found;

	if (!conn_is_local(c) || getsockopt(c->io.fd, SOL_SOCKET, SO_PEERCRED, &found, &n) < 0)
		return false;
	*out = (struct conn_credentials){found.pid, found.uid};
	return true;
}

void
conn_set_cut_timeout(struct conn *c, uint64_t ms)
{
	unsigned value = (unsigned)ms;

	if (!conn_is_local(c))
		setsockopt(c->io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
}
