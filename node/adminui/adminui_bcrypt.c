#include "node/adminui/adminui_bcrypt.h"

#include <crypt.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "node/adminui/adminui_users.h"

struct comparison {
	uint64_t ticket;
	bool same;
	char password[ADMINUI_PASSWORD_MAX + 1];
	char hash[ADMINUI_HASH_LENGTH + 1];
};

/* A ring: `compared` of the `count` comparisons from `first` are done and wait for the loop. */
struct adminui_bcrypt {
	struct ev_loop *ev;
	struct ev_async wake;
	void (*done)(void *arg, uint64_t ticket, bool same);
	void *arg;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* protects the members that follow */
	pthread_cond_t more;
	bool stop;
	unsigned first, count, compared;
	struct comparison ring[ADMINUI_BCRYPT_QUEUE];
};

static bool
bcrypt_is_same(struct comparison *comparison, struct crypt_data *data)
{
	const char *made = crypt_r(comparison->password, comparison->hash, data);
	unsigned char differs = 0;

	explicit_bzero(comparison->password, sizeof comparison->password);
	if (made == NULL || strlen(made) != ADMINUI_HASH_LENGTH)
		return false;
	for (size_t i = 0; i < ADMINUI_HASH_LENGTH; i++)
		differs |= (unsigned char)(made[i] ^ comparison->hash[i]);
	return differs == 0;
}

static void *
bcrypt_run(void *arg)
{
	struct adminui_bcrypt *bcrypt = arg;
	struct crypt_data *data = mem_zalloc(sizeof *data);

	pthread_mutex_lock(&bcrypt->lock);
	while (!bcrypt->stop) {
		struct comparison *next;
		bool same;

		if (bcrypt->compared == bcrypt->count) {
			pthread_cond_wait(&bcrypt->more, &bcrypt->lock);
			continue;
		}
		next = &bcrypt->ring[(bcrypt->first + bcrypt->compared) % ADMINUI_BCRYPT_QUEUE];
		pthread_mutex_unlock(&bcrypt->lock);
		/* needs no lock: the loop does not touch `next` before it is counted as compared */
		same = bcrypt_is_same(next, data);
		pthread_mutex_lock(&bcrypt->lock);
		next->same = same;
		bcrypt->compared++;
		ev_async_send(bcrypt->ev, &bcrypt->wake);
	}
	pthread_mutex_unlock(&bcrypt->lock);
	explicit_bzero(data, sizeof *data);
	mem_free(data);
	return NULL;
}

static void
bcrypt_on_wake(struct ev_loop *ev, struct ev_async *wake, int events)
{
	struct adminui_bcrypt *bcrypt = wake->data;

	(void)ev;
	(void)events;
	pthread_mutex_lock(&bcrypt->lock);
	while (bcrypt->compared > 0) {
		struct comparison *first = &bcrypt->ring[bcrypt->first];
		uint64_t ticket = first->ticket;
		bool same = first->same;

		bcrypt->first = (bcrypt->first + 1) % ADMINUI_BCRYPT_QUEUE;
		bcrypt->count--;
		bcrypt->compared--;
		pthread_mutex_unlock(&bcrypt->lock);
		bcrypt->done(bcrypt->arg, ticket, same);
		pthread_mutex_lock(&bcrypt->lock);
	}
	pthread_mutex_unlock(&bcrypt->lock);
}

struct adminui_bcrypt *
adminui_bcrypt_new(struct ev_loop *ev, void (*done)(void *arg, uint64_t ticket, bool same), void *arg)
{
	struct adminui_bcrypt *bcrypt = mem_zalloc(sizeof *bcrypt);

	bcrypt->ev = ev;
	bcrypt->done = done;
	bcrypt->arg = arg;
	pthread_mutex_init(&bcrypt->lock, NULL);
	pthread_cond_init(&bcrypt->more, NULL);
	ev_async_init(&bcrypt->wake, bcrypt_on_wake);
	bcrypt->wake.data = bcrypt;
	return bcrypt;
}

/* Signals are for the loop's thread. */
static bool
bcrypt_start(struct adminui_bcrypt *bcrypt)
{
	sigset_t all, before;

	if (bcrypt->started)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bcrypt->started = pthread_create(&bcrypt->thread, NULL, bcrypt_run, bcrypt) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (bcrypt->started) {
		ev_async_start(bcrypt->ev, &bcrypt->wake);
		ev_unref(bcrypt->ev); /* the watcher alone must not keep ev_run() running */
	}
	return bcrypt->started;
}

void
adminui_bcrypt_free(struct adminui_bcrypt *bcrypt)
{
	if (bcrypt == NULL)
		return;
	if (bcrypt->started) {
		pthread_mutex_lock(&bcrypt->lock);
		bcrypt->stop = true;
		pthread_cond_signal(&bcrypt->more);
		pthread_mutex_unlock(&bcrypt->lock);
		pthread_join(bcrypt->thread, NULL);
		ev_ref(bcrypt->ev);
		ev_async_stop(bcrypt->ev, &bcrypt->wake);
	}
	pthread_cond_destroy(&bcrypt->more);
	pthread_mutex_destroy(&bcrypt->lock);
	explicit_bzero(bcrypt->ring, sizeof bcrypt->ring);
	mem_free(bcrypt);
}

bool
adminui_bcrypt_compare(struct adminui_bcrypt *bcrypt, uint64_t ticket, struct text password, const char *hash)
{
	struct comparison *last;

	if (password.n > ADMINUI_PASSWORD_MAX || memchr(password.at, '\0', password.n) != NULL ||
		!bcrypt_start(bcrypt))
		return false;
	pthread_mutex_lock(&bcrypt->lock);
	if (bcrypt->count == ADMINUI_BCRYPT_QUEUE) {
		pthread_mutex_unlock(&bcrypt->lock);
		return false;
	}
	last = &bcrypt->ring[(bcrypt->first + bcrypt->count) % ADMINUI_BCRYPT_QUEUE];
	*last = (struct comparison){.ticket = ticket};
	memcpy(last->password, password.at, password.n);
	snprintf(last->hash, sizeof last->hash, "%s", hash);
	bcrypt->count++;
	pthread_cond_signal(&bcrypt->more);
	pthread_mutex_unlock(&bcrypt->lock);
	return true;
}
