#include "node/process/hang.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 500 /* a hanging worker keeps new clients waiting for two of them */

struct hang_sample
hang_sample(pid_t pid)
{
	struct hang_sample sample = {0};
	char name[64], text[512], *at;
	unsigned long user, system;
	ssize_t n;
	int fd;

	snprintf(name, sizeof name, "/proc/%d/task/%d/stat", (int)pid, (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sample;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')'); /* the program's name may hold anything */
	if (at && sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &sample.state, &user,
			  &system) == 3)
		sample.cpu = (uint64_t)user + system;
	return sample;
}

void
hang_reset(struct hang *h, uint64_t interval_ms)
{
	*h = (struct hang){.interval_ms = interval_ms};
}

void
hang_look(struct hang *h, uint64_t now, uint64_t turn, struct hang_sample (*sample)(pid_t pid), pid_t pid)
{
	uint64_t since = now - h->looked;
	bool same = turn == h->turn && (turn & 1) != 0;
	struct hang_sample s = {0};

	h->looked = now;
	h->turn = turn;
	if (!same) {
		h->stuck_ms = h->cpu = 0;
		h->looks = 0;
		return;
	}
	s = sample(pid);
	if (s.state != 'T' && s.state != 't' && (s.state != 'R' || s.cpu != h->cpu)) {
		h->stuck_ms += since < 2 * h->interval_ms ? since : 2 * h->interval_ms;
		h->looks++;
	}
	h->cpu = s.cpu;
}

uint64_t
hang_interval(uint64_t warning_ms, uint64_t timeout_ms)
{
	uint64_t least = warning_ms == 0 || (timeout_ms > 0 && timeout_ms < warning_ms) ? timeout_ms : warning_ms;
	uint64_t interval = least / 10;

	if (interval < INTERVAL_MIN_MS)
		return least == 0 ? INTERVAL_MAX_MS : INTERVAL_MIN_MS;
	return interval < INTERVAL_MAX_MS ? interval : INTERVAL_MAX_MS;
}
