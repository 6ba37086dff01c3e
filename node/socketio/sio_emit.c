/* sio_emit() and sio_emit_ack(): the arguments are packed, sio_emission.h does the rest. */
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_check.h"

static int
emit_many(struct sio_emission *m, const sio_target *t)
{
	struct sio_target_rooms rooms;
	struct list *it, *next;
	int rc;

	rc = sio_target_rooms(&rooms, t);
	if (rc != 0)
		return rc;
	if (t->nsp->family == NULL) {
		rc = sio_emission_many(m, &rooms.who);
	} else if (m->ask.fn != NULL) {
		rc = SIO_ERR_ARGUMENT; /* ids are a namespace's: a family cannot collect */
	} else {
		list_each(it, next, &t->nsp->family->children)
		{
			m->nsp = container_of(it, struct sio_nsp, sibling);
			rc = sio_emission_many(m, &rooms.who);
			if (rc != 0)
				break;
		}
	}
	sio_target_rooms_fini(&rooms);
	return rc;
}

static int
emit(const char *function, const sio_target *t, sio_answers_fn *fn, void *arg, const char *name, const char *format,
	va_list args)
{
	struct sio_emission m = {
		.nsp = t->nsp, .flags = t->flags, .timeout_ms = t->timeout, .ask = {.fn = fn, .arg = arg}};
	int rc;

	if (t->nsp == NULL || !sio_is_pointer(name) || (t->flags & SIO_FLAG_MALFORMED) != 0)
		return sio_misused(function, name, NULL, NULL, SIO_ERR_ARGUMENT);
	if (sio_event_name_reserved(text_from(name)))
		return sio_misused(function, name, NULL, NULL, SIO_ERR_RESERVED);
	m.scratch = sio_scratch_take(&t->nsp->io->turn);
	rc = sio_pack_args(&m.scratch->payload, name, format, args);
	m.what = sio_payload_content(&m.scratch->payload);
	m.name = text_from(name);
	if (rc == 0)
		rc = (t->flags & SIO_FLAG_ONLY) != 0 ? sio_emission_one(&m, t->socket) : emit_many(&m, t);
	if (__builtin_expect(rc != 0, 0))
		(void)sio_misused(function, name, format, &m.scratch->payload, rc);
	sio_scratch_give(&t->nsp->io->turn, m.scratch);
	return rc;
}

int
sio_emit(sio_target target, const char *event, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = emit(__func__, &target, NULL, NULL, event, format, args);
	va_end(args);
	return rc;
}

int
sio_emit_ack(sio_target target, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...)
{
	va_list args;
	int rc;

	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	va_start(args, format);
	rc = emit(__func__, &target, fn, arg, event, format, args);
	va_end(args);
	return rc;
}
