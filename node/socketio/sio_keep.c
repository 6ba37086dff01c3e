#include "node/socketio/sio_keep.h"

#include "broker/broker.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_logs.h"
#include "node/socketio/sio_keep_hub.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_selector.h"
#include "node/socketio/sio_vault.h"

#define REPLAYS_MAX 64 /* replays that wait for answers at a time; fewer if the answers may be large */
#define QUIET_MS 30000 /* interval at which the positions of connected clients are sent to the peer */

/* ------------------------------------------------------------------ events */

void
sio_keep_number(struct sio_nsp *nsp, uint64_t number)
{
	struct sio_keep *keep = nsp->io->recovery != NULL ? nsp->io->recovery->keep : NULL;

	if (keep == NULL || nsp->log == NULL)
		return;
	keep->numbered = number != 0 && keep->welcome;
	if (!keep->numbered)
		return;
	keep->heard = keep->counts ? keep->heard + 1 : number;
	sio_keep_hear(nsp->log, keep->heard);
}

void
sio_keep_record_one(struct sio_nsp *nsp, const struct sio_selector *who, const struct sio_content *what)
{
	struct sio_keep *keep = nsp->io->recovery->keep;
	struct wire_target to = {.rooms = who->rooms, .room_count = who->rooms_count};

	if (nsp->broker != NULL)
		(void)broker_broadcast_recorded(
			nsp->broker, &to, what->json, what->attachments, keep->origin, keep->local, &keep->bus);
}

/* ------------------------------------------------------------------ timer */

/*
 * After the death of a worker, thousands of clients ask at once. While the peer answers others, an ask may wait
 * SIO_KEEP_BUSY_MS longer.
 */
static bool
keep_may_wait(const struct sio_keep *keep, const struct keep_ask *ask, uint64_t now)
{
	return ask->until > now || (now - keep->answered_at < SIO_KEEP_ASK_MS && now - ask->until < SIO_KEEP_BUSY_MS);
}

/* `list` is keep->asked or keep->waiting. Both are ordered by their time limits. */
static void
keep_time_out_all(struct sio_keep *keep, struct list *list, uint64_t now)
{
	while (!list_empty(list)) {
		struct keep_ask *ask = container_of(list->next, struct keep_ask, link);

		if (keep_may_wait(keep, ask, now))
			break;
		list_remove(&ask->link);
		keep->replays_asked -= list == &keep->asked && ask->step == NULL;
		sio_keep_time_out(keep, ask);
	}
}

static void
keep_on_timer(struct wheel_entry *entry)
{
	struct sio_keep *keep = container_of(entry, struct sio_keep, timer);
	uint64_t now = keep->recovery->io->loop->now;
	bool awaits;

	keep_time_out_all(keep, &keep->asked, now);
	keep_time_out_all(keep, &keep->waiting, now);
	sio_keep_replay_next(keep);
	if (keep->welcome && now >= keep->quiet_at) {
		sio_keep_tell_quiet(keep);
		keep->quiet_at = now + QUIET_MS;
	}
	awaits = keep->peer->awaits != NULL && keep->peer->awaits(keep);
	loop_arm(keep->recovery->io->loop, &keep->timer,
		list_empty(&keep->asked) && list_empty(&keep->waiting) && !awaits ? QUIET_MS : SIO_KEEP_TICK_MS);
}

/* -------------------------------------------------------------------- life */

/*
 * Limits the replays so that their answers fit together into the peer's queue, which holds more than
 * WIRE_PAYLOAD_MAX bytes.
 */
static unsigned
replays_max(uint64_t max_emit)
{
	uint64_t n = WIRE_PAYLOAD_MAX / (max_emit + 1);

	return n == 0 ? 1 : n < REPLAYS_MAX ? (unsigned)n : REPLAYS_MAX;
}

static const struct sio_keep_ops keep_ops = {.trim = sio_keep_trim,
	.claim = sio_keep_claim,
	.unclaim = sio_keep_unclaim,
	.forget = sio_keep_forget,
	.end_stored = sio_keep_end_stored,
	.leave = sio_keep_leave};

void
sio_keep_new(struct sio_recovery *recovery, struct broker *broker)
{
	struct sio_keep *keep = mem_zalloc(sizeof *keep);

	keep->ops = &keep_ops;
	keep->recovery = recovery;
	keep->broker = broker;
	list_init(&keep->changed);
	list_init(&keep->asked);
	list_init(&keep->waiting);
	loop_call_init(&keep->call, sio_keep_before_flush);
	wheel_entry_init(&keep->timer, keep_on_timer);
	buffer_init(&keep->out, WIRE_PAYLOAD_MAX);
	keep->replays_max = replays_max(recovery->io->max_emit);
	random_id(keep->bus.id, BUS_KEEP_ID);
	keep->offset_max = SIO_OFFSET_MAX;
	if (broker_store(broker) != NULL)
		sio_vault_open(keep);
	else
		sio_keep_hub_open(keep);
	recovery->keep = keep;
	recovery->adopt = sio_keep_adopt;
	sio_keep_name_logs(keep);
	keep->quiet_at = recovery->io->loop->now + QUIET_MS;
	loop_arm(recovery->io->loop, &keep->timer, QUIET_MS);
	broker_keep_open(broker, &keep->bus);
}

void
sio_keep_free(struct sio_keep *keep)
{
	if (keep == NULL)
		return;
	keep->welcome = false;
	sio_keep_fail_asks(keep, true);
	keep->peer->close(keep);
	while (!list_empty(&keep->changed))
		list_remove(keep->changed.next);
	loop_call_cancel(&keep->call);
	loop_disarm(keep->recovery->io->loop, &keep->timer);
	broker_keep_close(keep->broker, &keep->bus);
	sio_keep_name_logs(keep); /* from now on events get no offsets */
	buffer_fini(&keep->out);
	keep->recovery->keep = NULL;
	keep->recovery->adopt = NULL;
	mem_free(keep);
}
