/* What applications hand over to the server: work in threads, a rate limit, and acknowledgements that come later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "node/socketio/sio_work.h"
#include "tests/unit/socketio/fake_engine.h"

struct question {
	sem_t go;
	pthread_t thread;
	unsigned answered;
};

static struct question question;
static unsigned allowed, refused;

static void
ask(void *arg)
{
	struct question *asked = arg;

	asked->thread = pthread_self();
	while (sem_wait(&asked->go) != 0)
		;
}

static void
on_answer(sio_server *io, void *arg)
{
	struct question *asked = arg;

	assert_ptr_equal(io, fake_io);
	assert_string_equal(io->underway.handler, "work"); /* for reports about hangs */
	asked->answered++;
}

static void
on_many(sio_socket *s, sio_event *event, void *arg)
{
	(void)event;
	(void)arg;
	if (sio_rate_allows(s, 3, 2))
		allowed++;
	else
		refused++;
}

static void
on_left(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	assert_false(sio_rate_allows(s, 3, 2));
	refused++;
}

static void
on_who(sio_socket *s, sio_event *event, void *arg)
{
	int *rc = arg;

	*rc = sio_ack_sockets(event, sio_all(sio_socket_nsp(s)));
}

/* Asks the others, and answers with their answers. */
static void
on_ask(sio_socket *s, sio_event *event, void *arg)
{
	int *rc = arg;

	*rc = sio_ack_answers(event, sio_timeout(sio_others(s), 1000), "question", "v", sio_arg(event, 0));
}

static void
on_ask_wrongly(sio_socket *s, sio_event *event, void *arg)
{
	(void)arg;
	assert_int_equal(sio_ack_answers(event, sio_all(sio_socket_nsp(s)), "disconnect", NULL), SIO_ERR_RESERVED);
#ifndef SIO_CHECKED
	assert_int_equal(sio_ack_sockets(event, sio_to(sio_all(sio_socket_nsp(s)), NULL)), SIO_ERR_ARGUMENT);
#endif
	assert_int_equal(sio_ack(event, "s", "no"), 0);
}

static int last;

static int
start(void **state)
{
	struct sio_options o = fake_options();
	sio_nsp *nsp;

	(void)state;
	o.work_threads = 1;
	o.max_work = 2;
	fake_start(&o);
	nsp = sio_of(fake_io, "/");
	sio_on(nsp, "many", on_many, NULL);
	sio_on_disconnect(nsp, on_left, NULL);
	sio_on(nsp, "who", on_who, &last);
	sio_on(nsp, "ask", on_ask, &last);
	sio_on(nsp, "wrong", on_ask_wrongly, NULL);
	memset(&question, 0, sizeof question);
	sem_init(&question.go, 0, 0);
	allowed = refused = 0;
	last = 1;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static struct eio_session *
client(unsigned which)
{
	struct eio_session *s = fake_open(which);

	fake_receive(s, false, "0", 1);
	fake_turn();
	return s;
}

static void
receive(struct eio_session *s, const char *packet)
{
	fake_receive(s, false, packet, strlen(packet));
	fake_turn();
}

static bool
has(const struct eio_session *s, const char *text)
{
	return memmem(s->sent.data, s->sent.len, text, strlen(text)) != NULL;
}

/* ---------------------------------------------------------------------- work */

static void
work_runs_in_a_thread(void **state)
{
	(void)state;
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0);
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0);
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), SIO_ERR_TOO_MANY);
#ifndef SIO_CHECKED /* with checked handles, these calls end the program */
	assert_int_equal(sio_work(fake_io, NULL, on_answer, &question), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_work(fake_io, ask, NULL, &question), SIO_ERR_ARGUMENT);
#endif
	sem_post(&question.go);
	sem_post(&question.go);
	while (question.answered < 2)
		ev_run(fake_ev, EVRUN_ONCE);
	assert_false(pthread_equal(question.thread, pthread_self()));
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0);
	sem_post(&question.go);
	while (question.answered < 3)
		ev_run(fake_ev, EVRUN_ONCE);
}

static void
the_end_waits_for_work(void **state)
{
	(void)state;
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0);
	assert_false(sio_work_end(fake_io));
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0); /* for example by a disconnect listener */
	sem_post(&question.go);
	sem_post(&question.go);
	while (question.answered < 2)
		ev_run(fake_ev, EVRUN_ONCE);
	assert_true(sio_work_end(fake_io));
	assert_true(sio_work_end(fake_io));
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), SIO_ERR_STATE);
}

static char warning[300];

static void
on_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	(void)snprintf(warning, sizeof warning, "%.*s", (int)n, line);
}

static void
the_end_abandons_work_that_hangs(void **state)
{
	(void)state;
	assert_int_equal(sio_work(fake_io, ask, on_answer, &question), 0);
	assert_false(sio_work_end(fake_io));
	fake_loop.now += SIO_WORK_PATIENCE_MS - 1;
	assert_false(sio_work_end(fake_io));
	fake_loop.now++;
	log_set_level(LOG_WARN);
	log_set_sink(on_line, NULL);
	assert_true(sio_work_end(fake_io));
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(warning, "event=work_abandoned calls=1"));
	sem_post(&question.go);
}

/* ---------------------------------------------------------------- rate limit */

static void
a_credit_is_spent_and_grows(void **state)
{
	struct eio_session *s = client(0);

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		receive(s, "2[\"many\"]");
	assert_int_equal(allowed, 3);
	assert_int_equal(refused, 2);
	fake_sleep(499);
	receive(s, "2[\"many\"]");
	assert_int_equal(allowed, 3);
	fake_sleep(1);
	receive(s, "2[\"many\"]");
	assert_int_equal(allowed, 4);
	fake_sleep(3600000); /* not beyond the burst */
	for (unsigned i = 0; i < 5; i++)
		receive(s, "2[\"many\"]");
	assert_int_equal(allowed, 7);
	receive(client(1), "2[\"many\"]"); /* each socket has its own credit */
	assert_int_equal(allowed, 8);
	refused = 0;
	receive(s, "1");
	assert_int_equal(refused, 1);
}

/* ---------------------------------------------------- acknowledgements later */

static void
an_event_is_acknowledged_with_sockets(void **state)
{
	struct eio_session *s = client(0);

	(void)state;
	receive(s, "20[\"who\"]");
	assert_int_equal(last, 0);
	assert_true(has(s, "30[[{\"id\":\""));
	receive(s, "2[\"who\"]");
	assert_int_equal(last, SIO_ERR_STATE);
}

static void
an_event_is_acknowledged_with_answers(void **state)
{
	struct eio_session *ada = client(0), *bob = client(1), *eve = client(2);

	(void)state;
	receive(ada, "27[\"ask\",\"ready?\"]");
	assert_int_equal(last, 0);
	assert_true(has(bob, "[\"question\",\"ready?\"]"));
	assert_false(has(ada, "question"));
	receive(bob, "30[\"yes\"]");
	receive(eve, "30[{\"no\":1}]");
	assert_true(has(ada, "37[[\"yes\",{\"no\":1}]]"));

	/* an answer that does not arrive is left out */
	receive(ada, "28[\"ask\",1]");
	receive(bob, "31[2]");
	fake_sleep(1000);
	assert_true(has(ada, "38[[2]]"));

	/* without a request for an acknowledgement, and after an error */
	receive(ada, "2[\"ask\",\"tell me\"]");
	assert_true(has(bob, "[\"question\",\"tell me\"]"));
	receive(bob, "32[3]");
	receive(eve, "32[3]");
	assert_false(has(ada, "[[3"));
	receive(ada, "29[\"wrong\"]");
	assert_true(has(ada, "39[\"no\"]"));
}

static void
the_sender_leaves_before_the_answers(void **state)
{
	struct eio_session *ada = client(0), *bob = client(1);

	(void)state;
	receive(ada, "27[\"ask\",1]");
	receive(ada, "1");
	receive(bob, "30[1]");
	assert_false(has(ada, "[[1]]"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(work_runs_in_a_thread, start, stop),
		cmocka_unit_test_setup_teardown(the_end_waits_for_work, start, stop),
		cmocka_unit_test_setup_teardown(the_end_abandons_work_that_hangs, start, stop),
		cmocka_unit_test_setup_teardown(a_credit_is_spent_and_grows, start, stop),
		cmocka_unit_test_setup_teardown(an_event_is_acknowledged_with_sockets, start, stop),
		cmocka_unit_test_setup_teardown(an_event_is_acknowledged_with_answers, start, stop),
		cmocka_unit_test_setup_teardown(the_sender_leaves_before_the_answers, start, stop),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
