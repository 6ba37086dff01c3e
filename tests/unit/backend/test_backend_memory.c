/* A link without memory for what a backend sends, or for what is sent to the backend. */
#include "tests/unit/backend/link_rig.h"

#include "tests/unit/faults.h"

#define SHORT 20000 /* larger allocations fail */

static struct backend_link *
join(struct peer *p)
{
	struct backend_link *link = peer_join(p, HELLO("x1"));

	buffer_reset(&rig.heard);
	faults = 0;
	return link;
}

static void
a_frame_without_memory_ends_the_link(void **state)
{
	struct peer p;

	(void)state;
	join(&p);
	peer_put(&p, BACKEND_EMIT, 0, 0, 1, 0, zeros(200)); /* a small frame needs none */
	rig_turn();
	fault_above = SHORT;
	peer_put(&p, BACKEND_EMIT, 0, 0, 1, 0, zeros(MAX_FRAME));
	rig_turn();
	fault_above = SIZE_MAX;
	assert_true(faults > 0);
	assert_true(text_ends(buffer_text(&rig.heard), TEXT("lost x1\n  memory\n")));
	peer_expect_bye(&p, "memory");
	peer_close(&p);
}

static void
a_part_without_memory_drops_its_frame(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = join(&p);
	fault_above = SHORT;
	backend_begin(link, BACKEND_EVENT, 0, 0, 1, 0);
	backend_put(link, zeros(50000).at, 50000);
	backend_put(link, "]", 1);
	assert_false(backend_end(link));
	fault_above = SIZE_MAX;
	assert_int_equal(faults, 1);
	send_event(link, 2, 100);
	rig_turn();
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 2);
	peer_close(&p);
}

static void
names_without_memory_end_the_link(void **state)
{
	static char name[50000];
	struct backend_link *link;
	struct peer p;

	(void)state;
	memset(name, '/', sizeof name);
	join(&p);
	fault_above = 60000; /* enough for the frame, too little for a list of so many parts */
	peer_put(&p, BACKEND_NSP, 0, 65535, 0, 0, TEXT("/a"));
	rig_turn();
	fault_above = SIZE_MAX;
	assert_heard("lost x1\n  memory\n");
	peer_close(&p);

	link = join(&p);
	fault_above = SHORT;
	assert_int_equal(backend_link_nsp(link, text_of(name, sizeof name)), 0);
	fault_above = SIZE_MAX;
	rig_turn();
	assert_heard("lost x1\n  memory\n");
	peer_close(&p);
}

#define BLOCKS 30

/* Sends a frame of referenced blocks, whose list is too small for so many at first. */
static bool
send_blocks(struct backend_link *link, size_t above)
{
	struct block *block = block_new(4096);
	bool sent;

	fault_above = above;
	memset(block->data, 0, block->len);
	backend_begin(link, BACKEND_EVENT, 0, 0, 1, 0);
	for (unsigned i = 0; i < BLOCKS; i++)
		backend_put_block(link, block);
	sent = backend_end(link);
	fault_above = SIZE_MAX;
	block_unref(block);
	return sent;
}

/* Lists of the frame itself, of this turn's output, and of what waits for the window. */
static void
lists_of_pieces_without_memory_end_the_link(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = join(&p);
	assert_true(send_blocks(link, 300)); /* as on any link that ends */
	rig_turn();
	assert_heard("lost x1\n  memory\n");
	peer_expect_bye(&p, "memory");
	peer_close(&p);

	link = join(&p);
	send_event(link, 1, WINDOW / 2);
	/* this frame waits for the window, and the list of waiting blocks stays this large */
	(void)send_blocks(link, SIZE_MAX);
	assert_true(send_blocks(link, 300));
	rig_turn();
	assert_heard("lost x1\n  memory\n");
	peer_close(&p);
}

static void
a_message_to_a_peer_without_memory_is_dropped(void **state)
{
	struct peer one, two;
	struct buffer body;

	(void)state;
	join(&one);
	peer_join(&two, HELLO("x2"));
	buffer_init(&body, 1 << 20);
	buffer_add(&body, "\0\0\0\0", 4);
	buffer_add_text(&body, zeros(50000));
	peer_put(&one, BACKEND_PEER, 0, 0, 0, 0, buffer_text(&body));
	fault_above = 40000; /* all of it lies in the loop's own buffer */
	rig_turn();
	fault_above = SIZE_MAX;
	assert_true(faults > 0);
	peer_expect_nothing(&two);
	buffer_fini(&body);
	peer_close(&one);
	peer_close(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(a_frame_without_memory_ends_the_link),
		LINK_TEST(a_part_without_memory_drops_its_frame),
		LINK_TEST(names_without_memory_end_the_link),
		LINK_TEST(lists_of_pieces_without_memory_end_the_link),
		LINK_TEST(a_message_to_a_peer_without_memory_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
