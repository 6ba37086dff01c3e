#include "broker/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct seal {
	EVP_MAC_CTX *mac; /* with its key; begun anew for each message */
};

struct seal *
seal_new(struct text secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
	struct seal *s = mem_zalloc(sizeof *s);

	must(kind != NULL);
	s->mac = EVP_MAC_CTX_new(kind);
	must(s->mac != NULL);
	EVP_MAC_free(kind);
	must(EVP_MAC_init(s->mac, (const unsigned char *)secret.at, secret.n, params) == 1);
	return s;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	EVP_MAC_CTX_free(s->mac);
	mem_free(s);
}

static void
add(struct seal *s, const void *bytes, size_t n)
{
	must(EVP_MAC_update(s->mac, bytes, n) == 1);
}

/* The channel's length comes first: no byte can move between it and the message. */
static void
make(struct seal *s, struct text channel, const void *message, size_t n, uint8_t tag[SEAL_TAG])
{
	uint8_t whole[32], length[4];
	size_t made;

	for (unsigned i = 0; i < sizeof length; i++)
		length[i] = (uint8_t)(channel.n >> (8 * i));
	must(EVP_MAC_init(s->mac, NULL, 0, NULL) == 1);
	add(s, length, sizeof length);
	add(s, channel.at, channel.n);
	add(s, message, n);
	must(EVP_MAC_final(s->mac, whole, &made, sizeof whole) == 1 && made == sizeof whole);
	memcpy(tag, whole, SEAL_TAG);
}

void
seal_add(struct seal *s, struct text channel, struct buffer *message)
{
	uint8_t tag[SEAL_TAG];

	make(s, channel, message->data, message->len, tag);
	buffer_add(message, tag, sizeof tag);
}

bool
seal_take(struct seal *s, struct text channel, struct text *message)
{
	uint8_t tag[SEAL_TAG];

	if (message->n < SEAL_TAG)
		return false;
	make(s, channel, message->at, message->n - SEAL_TAG, tag);
	/* in constant time: how much of a guess is right must not show */
	if (CRYPTO_memcmp(tag, message->at + message->n - SEAL_TAG, SEAL_TAG) != 0)
		return false;
	message->n -= SEAL_TAG;
	return true;
}
