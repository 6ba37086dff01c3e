#include "node/socketio/sio_vault_ask.h"

#include "common/base/mem.h"

#define PAUSE_MS 20 /* first pause between two attempts; doubled for each further one */

/* ------------------------------------------------------------------- asks */

static void
ask_on_subscribed(struct bus_wait *wait)
{
	struct vault_ask *ask = container_of(wait, struct vault_ask, wait);

	ask->again(ask);
}

struct vault_ask *
sio_vault_ask_new(struct sio_vault *vault, const struct keep_ask *question, void (*again)(struct vault_ask *ask),
	void (*answer)(struct bus_call *call, int error, struct text value))
{
	struct vault_ask *ask = mem_zalloc(sizeof *ask);

	bus_call_init(&ask->call, answer);
	bus_wait_init(&ask->wait, ask_on_subscribed);
	ask->vault = vault;
	ask->again = again;
	ask->nonce = question->nonce;
	ask->pause = PAUSE_MS;
	memcpy(ask->pid, question->pid, SIO_PID_LENGTH);
	list_add_tail(&vault->asks, &ask->link);
	return ask;
}

void
sio_vault_ask_free(struct vault_ask *ask)
{
	bus_call_cancel(&ask->call);
	bus_wait_cancel(&ask->wait);
	ask->vault->given_back -= ask->give_back_until != 0;
	list_remove(&ask->link);
	mem_free(ask->record);
	mem_free(ask->found);
	mem_free(ask);
}

struct keep_ask *
sio_vault_question(const struct vault_ask *ask)
{
	struct list *it, *next;

	list_each(it, next, &ask->vault->keep->asked)
	{
		struct keep_ask *question = container_of(it, struct keep_ask, link);

		if (question->nonce == ask->nonce)
			return question;
	}
	return NULL;
}

void
sio_vault_pause(struct vault_ask *ask, uint64_t ms)
{
	struct loop *loop = ask->vault->keep->recovery->io->loop;
	struct wheel_entry *timer = &ask->vault->timer;

	ask->again_at = loop->now + ms;
	if (!wheel_armed(timer) || timer->due > ask->again_at)
		loop_arm(loop, timer, ms);
}

void
sio_vault_pause_longer(struct vault_ask *ask)
{
	sio_vault_pause(ask, ask->pause);
	if (ask->pause < SIO_VAULT_PAUSE_MAX_MS)
		ask->pause *= 2;
}

struct vault_claimed *
sio_vault_find_claimed(const struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct list *it, *next;

	list_each(it, next, &vault->claimed)
	{
		struct vault_claimed *claimed = container_of(it, struct vault_claimed, link);

		if (memcmp(claimed->pid, pid, SIO_PID_LENGTH) == 0)
			return claimed;
	}
	return NULL;
}

void
sio_vault_forget(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_claimed *claimed = sio_vault_find_claimed(vault, pid);

	if (claimed == NULL)
		return;
	list_remove(&claimed->link);
	mem_free(claimed);
}

/* ------------------------------------------------------------------- timer */

uint64_t
sio_vault_retry(struct sio_vault *vault, uint64_t most)
{
	uint64_t now = vault->keep->recovery->io->loop->now, next = now + most;
	struct list due;

	list_init(&due);
	list_move_all(&due, &vault->asks);
	while (!list_empty(&due)) {
		struct vault_ask *ask = container_of(due.next, struct vault_ask, link);

		list_remove(&ask->link);
		list_add_tail(&vault->asks, &ask->link);
		if (ask->again_at == 0 || ask->again_at > now)
			continue;
		ask->again(ask);
	}
	for (struct list *at = vault->asks.next; at != &vault->asks; at = at->next) {
		const struct vault_ask *ask = container_of(at, struct vault_ask, link);

		if (ask->again_at != 0 && ask->again_at < next)
			next = ask->again_at;
	}
	return next > now ? next - now : 1;
}

void
sio_vault_end_asks(struct sio_vault *vault)
{
	while (!list_empty(&vault->asks))
		sio_vault_ask_free(container_of(vault->asks.next, struct vault_ask, link));
	while (!list_empty(&vault->claimed)) {
		struct vault_claimed *claimed = container_of(vault->claimed.next, struct vault_claimed, link);

		list_remove(&claimed->link);
		mem_free(claimed);
	}
}
