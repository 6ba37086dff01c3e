/* A separate file, so that only one file of this layer includes OpenSSL's headers. */
#include "node/ws/ws_key.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "common/base/base64.h"
#include "common/base/must.h"

#define KEY_LENGTH 24
#define SHA1_LENGTH 20

bool
ws_key_valid(struct text key)
{
	uint8_t bytes[BASE64_DECODED_MAX(KEY_LENGTH)];

	return key.n == KEY_LENGTH && memcmp(key.at + KEY_LENGTH - 2, "==", 2) == 0 &&
	       base64_decode(key, bytes) == 16;
}

static const EVP_MD *sha1;
static pthread_key_t sha1_state; /* of the thread: an EVP_MD_CTX */
static pthread_once_t sha1_once = PTHREAD_ONCE_INIT;

static void
free_state(void *state)
{
	EVP_MD_CTX_free(state);
}

/* Done once, because finding the algorithm takes longer than using it. */
static void
find_sha1(void)
{
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	must(sha1 != NULL && pthread_key_create(&sha1_state, free_state) == 0);
}

/* Returns the thread's state, which keeps its memory between digests. */
static EVP_MD_CTX *
thread_state(void)
{
	EVP_MD_CTX *state;

	must(pthread_once(&sha1_once, find_sha1) == 0);
	state = pthread_getspecific(sha1_state);
	if (state == NULL) {
		state = EVP_MD_CTX_new();
		must(state != NULL && pthread_setspecific(sha1_state, state) == 0);
	}
	return state;
}

void
ws_key_accept(struct text key, char out[WS_ACCEPT_LENGTH])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
	unsigned char digest[SHA1_LENGTH];
	char joined[KEY_LENGTH + sizeof guid - 1];
	EVP_MD_CTX *state = thread_state();

	must(key.n == KEY_LENGTH);
	memcpy(joined, key.at, KEY_LENGTH);
	memcpy(joined + KEY_LENGTH, guid, sizeof guid - 1);
	must(EVP_DigestInit_ex(state, sha1, NULL) == 1 && EVP_DigestUpdate(state, joined, sizeof joined) == 1 &&
		EVP_DigestFinal_ex(state, digest, NULL) == 1);
	base64_encode(digest, sizeof digest, out);
}
