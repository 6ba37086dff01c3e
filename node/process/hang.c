#include "node/process/hang.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 500 /* new clients of a hanging worker wait for two intervals */

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
	at = strrchr(text, ')'); /* the program's name may contain any character */
	if (at && sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &sample.state, &user,
			  &system) == 3)
		sample.cpu = (uint64_t)user + system;
	return sample;
}

void
hang_reset(struct hang *hang, uint64_t interval_ms)
{
	*hang = (struct hang){.interval_ms = interval_ms};
}

void
hang_reset_beat(struct hang *hang, uint64_t interval_ms)
{
	*hang = (struct hang){.interval_ms = interval_ms, .beats = true, .turn = UINT64_MAX};
}

/* Adds the time since the last look, in which the process did not turn. */
static void
hang_add(struct hang *hang, const struct hang_sample *seen, uint64_t ms)
{
	if (seen->state == 't') {
		hang->held_ms += hang->beats ? ms : 0;
		return;
	}
	if ((seen->state == 'T' && !hang->beats) || (seen->state == 'R' && seen->cpu == hang->cpu))
		return;
	hang->stuck_ms += ms;
	hang->looks++;
}

void
hang_look(struct hang *hang, uint64_t now, uint64_t turn, struct hang_sample (*sample)(pid_t pid), pid_t pid)
{
	uint64_t since = now - hang->looked;
	bool same = turn == hang->turn && (hang->beats || (turn & 1) != 0);
	struct hang_sample seen = {0};

	hang->looked = now;
	hang->turn = turn;
	if (!same) {
		hang->stuck_ms = hang->held_ms = hang->cpu = 0;
		hang->looks = 0;
		return;
	}
	seen = sample(pid);
	hang_add(hang, &seen, since < 2 * hang->interval_ms ? since : 2 * hang->interval_ms);
	hang->cpu = seen.cpu;
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
