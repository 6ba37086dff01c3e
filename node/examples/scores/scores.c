/*
 * Live scores. A file stands for a database whose calls block. One thread reads and writes the file, so the loop
 * never waits for it. docs/application.md explains the program.
 *
 *     sockeye --app build/examples/scores.so --public node/examples/scores/public --scores-key secret
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 100 /* scores that may wait for the thread */
#define TEAMS_MAX 200
#define FILE_MAX (1 << 20) /* bytes of the file that are read */

const sio_option sio_app_options[] = {
	{.name = "scoresFile",
		.kind = SIO_OPTION_TEXT,
		.initial = "scores.txt",
		.help = "File with the scores, one line with points and team each; the last line of a team counts"},
	{.name = "scoresKey",
		.kind = SIO_OPTION_TEXT,
		.help = "Key with which a client may set scores; without it, no client may",
		.secret = true},
	{0},
};

/* A score to be written, or the content of the file. The thread returns both to the loop. */
struct job {
	sio_event *event; /* the event that set the score; NULL: this is the content of the file */
	ev_tstamp since;
	int error; /* errno of a failed write, or 0 */
	struct job *next;
	char text[]; /* the line to write, or the content */
};

struct list {
	struct job *first, **end;
};

struct team {
	char name[40];
	long long points, read; /* the score that clients know; the score in the file */
	bool is_known;		/* clients know the team */
};

static struct ev_loop *loop;
static sio_nsp *scores;
static struct team teams[TEAMS_MAX];
static unsigned n_teams;
static uint64_t *written;
static double *waiting;
static sio_histogram *seconds;

/* Shared with the thread, under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct list jobs = {NULL, &jobs.first}, done = {NULL, &done.first};
static bool ending;

static pthread_t thread;
static ev_async finished;
static const char *path; /* safe to share: an option without `reload` never changes */

static void add(struct list *list, struct job *job) {
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct job *take_all(struct list *list) {
	struct job *first = list->first;
	*list = (struct list){NULL, &list->first};
	return first;
}

static struct job *new_job(sio_event *event, size_t size) {
	struct job *job = calloc(1, sizeof *job + size);
	job->event = event;
	return job;
}

/* ------------------------------------------------- in the thread: may block, and calls no function of sockeye.h */

static void write_score(struct job *job) {
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	ssize_t n = (ssize_t)strlen(job->text);
	if (fd < 0 || write(fd, job->text, (size_t)n) != n || fsync(fd) < 0) job->error = errno;
	if (fd >= 0) close(fd);
}

/* Returns the content, or NULL if the file has not changed. */
static struct job *read_scores(struct stat *last) {
	struct stat now = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct job *job = NULL;
	if (fd >= 0 && fstat(fd, &now) == 0 &&
		(now.st_size != last->st_size || memcmp(&now.st_mtim, &last->st_mtim, sizeof now.st_mtim) != 0)) {
		job = new_job(NULL, FILE_MAX + 1);
		if (read(fd, job->text, FILE_MAX) >= 0) *last = now;
	}
	if (fd >= 0) close(fd);
	return job;
}

/* Writes the scores as they come. Every second, reads the scores that other processes have written. */
static void *run_thread(void *arg) {
	struct stat last = {0};
	pthread_mutex_lock(&lock);
	for (;;) {
		struct job *job, *next, *content;
		struct timespec until;
		bool ends = ending;
		job = take_all(&jobs);
		pthread_mutex_unlock(&lock);
		for (struct job *one = job; one; one = one->next) write_score(one);
		content = read_scores(&last);
		pthread_mutex_lock(&lock);
		if (content) add(&done, content);
		for (; job; job = next) {
			next = job->next;
			add(&done, job);
		}
		if (ends) break;
		if (done.first) ev_async_send(loop, &finished);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (!jobs.first && !ending) pthread_cond_timedwait(&wake, &lock, &until);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------ on the loop */

static void read_score(const char *name, long long points) {
	struct team *team = teams;
	while (team < teams + n_teams && strcmp(team->name, name) != 0) team++;
	if (team == teams + TEAMS_MAX) return;
	if (team == teams + n_teams) snprintf(teams[n_teams++].name, sizeof team->name, "%s", name);
	team->read = points;
}

static void read_all(char *text) {
	char *rest, *line, *name;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		long long points = strtoll(line, &name, 10);
		if (name != line && *name == ' ' && name[1] && strlen(name + 1) < sizeof teams->name)
			read_score(name + 1, points);
	}
	for (struct team *team = teams; team < teams + n_teams; team++) {
		if (team->is_known && team->points == team->read) continue;
		team->is_known = true;
		team->points = team->read;
		/* every worker reads the file and informs its own clients only */
		sio_emit(sio_local(sio_all(scores)), "score", "{s:s,s:I}", "team", team->name, "points",
			(int64_t)team->points);
	}
}

static void on_finished(struct ev_loop *l, ev_async *async, int events) {
	struct job *job, *next;
	pthread_mutex_lock(&lock);
	job = take_all(&done);
	pthread_mutex_unlock(&lock);
	for (; job; job = next) {
		next = job->next;
		if (!job->event) {
			read_all(job->text);
		} else {
			--*waiting;
			*written += !job->error;
			sio_observe(seconds, ev_now(loop) - job->since);
			sio_ack(job->event, "{s:s}", job->error ? "error" : "ok",
				job->error ? strerror(job->error) : "written");
			sio_event_release(job->event);
		}
		free(job);
	}
}

static void on_connection(sio_socket *socket, void *arg) {
	sio_list *list = sio_list_new(sio_socket_server(socket));
	for (unsigned i = 0; i < n_teams; i++)
		sio_list_add(list, "{s:s,s:I}", "team", teams[i].name, "points", (int64_t)teams[i].points);
	sio_emit(sio_only(socket), "scores", "L", list);
}

/* set(team, points): acknowledged when the score is on the disk. */
static void on_set(sio_socket *socket, sio_event *event, void *arg) {
	const char *key = sio_option_text(sio_nsp_server(scores), "scoresKey");
	const char *given = sio_string(sio_get(sio_auth(socket), "key"), NULL);
	const char *team = sio_string(sio_arg(event, 0), NULL);
	const char *error = NULL;
	struct job *job;
	if (!key[0] || !given || strcmp(key, given) != 0)
		error = "wrong key";
	else if (!team || !team[0] || strlen(team) >= sizeof teams->name || strpbrk(team, "\n\r"))
		error = "not a team";
	else if (sio_type_of(sio_arg(event, 1)) != SIO_NUMBER)
		error = "not a number";
	else if (*waiting >= JOBS_MAX)
		error = "busy";
	if (error) {
		sio_ack(event, "{s:s}", "error", error);
		return;
	}
	job = new_job(sio_event_keep(event), 80);
	job->since = ev_now(loop);
	snprintf(job->text, 80, "%lld %s\n", (long long)sio_int(sio_arg(event, 1), 0), team);
	++*waiting;
	pthread_mutex_lock(&lock);
	add(&jobs, job);
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

/* The thread writes the remaining scores and ends. */
static void on_stop(sio_server *io, void *arg) {
	pthread_mutex_lock(&lock);
	ending = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	on_finished(loop, &finished, 0);
	ev_async_stop(loop, &finished);
}

int sio_app(sio_server *io) {
	static const double limits[] = {0.001, 0.01, 0.1, 1};
	loop = sio_loop(io);
	scores = sio_of(io, "/");
	path = sio_option_text(io, "scoresFile");
	written = sio_counter(io, "scores_written_total", "scores written to the file", NULL, NULL);
	waiting = sio_gauge(io, "scores_waiting", "scores that wait for the file", NULL, NULL);
	seconds =
		sio_histogram_of(io, "scores_write_seconds", "time until a score is written", NULL, NULL, limits, 4);
	ev_async_init(&finished, on_finished);
	ev_async_start(loop, &finished);
	if (pthread_create(&thread, NULL, run_thread, NULL) != 0) return 1;
	sio_on_connection(scores, on_connection, NULL);
	sio_on(scores, "set", on_set, NULL);
	sio_on_stop(io, on_stop, NULL);
	return 0;
}
