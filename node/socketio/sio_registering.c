/* The functions of sockeye.h that register and remove listeners for events. sio_nsp.c has those for connections. */
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_event.h"

/* Returns 0 if listeners may be registered for the event, or an error of sockeye.h. */
static int
event_check_name(const char *function, const char *event)
{
	if (!sio_is_name(event))
		return sio_misused(function, event, NULL, NULL, SIO_ERR_ARGUMENT);
	return sio_event_name_reserved(text_from(event)) ? SIO_ERR_RESERVED : 0;
}

static int
event_found(bool found)
{
	return found ? 0 : SIO_ERR_NOT_FOUND;
}

int
sio_on(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	int rc = event_check_name(__func__, event);

	if (rc == 0)
		sio_event_listeners_add(&nsp->events, text_from(event), (sio_any_fn *)fn, arg);
	return rc;
}

int
sio_off(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	if (!sio_is_pointer(event))
		return SIO_ERR_ARGUMENT;
	return event_found(sio_event_listeners_remove(&nsp->events, text_from(event), (sio_any_fn *)fn, arg));
}

static int
socket_listen(const char *function, struct sio_socket *s, const char *event, sio_event_fn *fn, void *arg,
	void (*add)(struct table *events, struct text name, sio_any_fn *fn, void *arg))
{
	int rc = event_check_name(function, event);

	if (rc == 0 && s->state == SIO_GONE)
		rc = SIO_ERR_STATE;
	if (rc == 0)
		add(&sio_socket_extra(s)->events, text_from(event), (sio_any_fn *)fn, arg);
	return rc;
}

int
sio_socket_on(sio_socket *s, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	return socket_listen(__func__, s, event, fn, arg, sio_event_listeners_add);
}

int
sio_socket_once(sio_socket *s, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	return socket_listen(__func__, s, event, fn, arg, sio_event_listeners_add_once);
}

int
sio_socket_off(sio_socket *s, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	if (!sio_is_pointer(event))
		return SIO_ERR_ARGUMENT;
	return event_found(s->extra != NULL &&
			   sio_event_listeners_remove(&s->extra->events, text_from(event), (sio_any_fn *)fn, arg));
}

void
sio_on_any(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->any, (sio_any_fn *)fn, arg);
}

void
sio_prepend_any(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_prepend(&nsp->any, (sio_any_fn *)fn, arg);
}

int
sio_off_any(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return event_found(sio_listeners_remove(&nsp->any, (sio_any_fn *)fn, arg));
}

void
sio_on_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->any_outgoing, (sio_any_fn *)fn, arg);
}

void
sio_prepend_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_prepend(&nsp->any_outgoing, (sio_any_fn *)fn, arg);
}

int
sio_off_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return event_found(sio_listeners_remove(&nsp->any_outgoing, (sio_any_fn *)fn, arg));
}

/* Returns NULL if the socket has left. */
static struct sio_any *
socket_any(struct sio_socket *s)
{
	struct sio_extra *extra;

	if (s->state == SIO_GONE)
		return NULL;
	extra = sio_socket_extra(s);
	if (extra->any == NULL)
		extra->any = mem_zalloc(sizeof *extra->any);
	return extra->any;
}

int
sio_socket_on_any(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_any *any = socket_any(s);

	if (any == NULL)
		return SIO_ERR_STATE;
	sio_listeners_add(&any->received, (sio_any_fn *)fn, arg);
	return 0;
}

int
sio_socket_prepend_any(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_any *any = socket_any(s);

	if (any == NULL)
		return SIO_ERR_STATE;
	sio_listeners_prepend(&any->received, (sio_any_fn *)fn, arg);
	return 0;
}

int
sio_socket_off_any(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	struct sio_any *any = s->extra != NULL ? s->extra->any : NULL;

	return event_found(any != NULL && sio_listeners_remove(&any->received, (sio_any_fn *)fn, arg));
}

int
sio_socket_on_any_outgoing(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_any *any = socket_any(s);

	if (any == NULL)
		return SIO_ERR_STATE;
	sio_listeners_add(&any->sent, (sio_any_fn *)fn, arg);
	s->nsp->any_outgoing_sockets++;
	return 0;
}

int
sio_socket_prepend_any_outgoing(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_any *any = socket_any(s);

	if (any == NULL)
		return SIO_ERR_STATE;
	sio_listeners_prepend(&any->sent, (sio_any_fn *)fn, arg);
	s->nsp->any_outgoing_sockets++;
	return 0;
}

int
sio_socket_off_any_outgoing(sio_socket *s, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	struct sio_any *any = s->extra != NULL ? s->extra->any : NULL;

	if (any == NULL || !sio_listeners_remove(&any->sent, (sio_any_fn *)fn, arg))
		return SIO_ERR_NOT_FOUND;
	s->nsp->any_outgoing_sockets--;
	return 0;
}
