/* sio_emit(), sio_emit_ack() and sio_ack_answers() pack the arguments and hand them to sio_emission.h. */
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_check.h"

static int
emit_many(struct sio_emission *emission, const sio_target *target)
{
	struct sio_target_rooms rooms;
	struct list *it, *next;
	int rc;

	rc = sio_target_rooms(&rooms, target);
	if (rc != 0)
		return rc;
	if (target->nsp->family == NULL) {
		rc = sio_emission_many(emission, &rooms.who);
	} else if (emission->ask.fn != NULL) {
		/* each child counts its own ids, so a family cannot collect acknowledgements */
		rc = SIO_ERR_ARGUMENT;
	} else {
		list_each(it, next, &target->nsp->family->children)
		{
			emission->nsp = container_of(it, struct sio_nsp, sibling);
			rc = sio_emission_many(emission, &rooms.who);
			if (rc != 0)
				break;
		}
	}
	sio_target_rooms_fini(&rooms);
	return rc;
}

static int
emit_args(const char *function, const sio_target *target, sio_answers_fn *fn, void *arg, const char *name,
	const char *format, va_list args)
{
	struct sio_emission emission = {.nsp = target->nsp,
		.flags = target->flags,
		.timeout_ms = target->timeout,
		.ask = {.fn = fn, .arg = arg}};
	int rc;

	if (target->nsp == NULL || !sio_is_pointer(name) || (target->flags & SIO_FLAG_MALFORMED) != 0)
		return sio_misused(function, name, NULL, NULL, SIO_ERR_ARGUMENT);
	if (sio_event_name_reserved(text_from(name)))
		return sio_misused(function, name, NULL, NULL, SIO_ERR_RESERVED);
	emission.scratch = sio_scratch_take(&target->nsp->io->turn);
	rc = sio_pack_args_late(&emission.scratch->payload, name, format, args);
	emission.what = sio_payload_content(&emission.scratch->payload);
	emission.name = text_from(name);
	if (rc == 0)
		rc = (target->flags & SIO_FLAG_ONLY) != 0 ? sio_emission_one(&emission, target->socket)
							  : emit_many(&emission, target);
	if (__builtin_expect(rc != 0, 0)) {
		/* packed arguments can be sent, unless they exceed the limits of MessagePack */
		if (rc == SIO_ERR_ARGUMENT && emission.scratch->payload.why == NULL)
			emission.scratch->payload.why = "nested too deeply for MessagePack";
		(void)sio_misused(function, name, format, &emission.scratch->payload, rc);
	}
	sio_scratch_give(&target->nsp->io->turn, emission.scratch);
	return rc;
}

int
sio_emit(sio_target target, const char *event, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = emit_args(__func__, &target, NULL, NULL, event, format, args);
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
	rc = emit_args(__func__, &target, fn, arg, event, format, args);
	va_end(args);
	return rc;
}

/* ------------------------------------------- the answers as an acknowledgement */

static void
emit_pass_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	sio_event *event = arg;
	sio_list *list;

	(void)error; /* the sender gets the answers that arrived */
	if (event == NULL)
		return;
	list = sio_list_new(io);
	for (unsigned i = 0; i < sio_answers_count(answers); i++)
		(void)sio_list_add(list, "v", sio_answer(answers, i));
	(void)sio_ack(event, "L", list);
	sio_event_release(event);
}

int
sio_ack_answers(sio_event *event, sio_target target, const char *name, const char *format, ...)
{
	SIO_NEEDS(SIO_AN_EVENT, event, SIO_ERR_ARGUMENT);
	sio_event *kept = sio_wants_ack(event) ? sio_event_keep(event) : NULL;
	va_list args;
	int rc;

	va_start(args, format);
	rc = emit_args(__func__, &target, emit_pass_answers, kept, name, format, args);
	va_end(args);
	if (rc != 0)
		sio_event_release(kept);
	return rc;
}
