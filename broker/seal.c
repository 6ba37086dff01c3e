#include "broker/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct seal {
	EVP_MAC_CTX *mac; /* initialised with the key; restarted for each message */
};

struct seal *
seal_new(struct text secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
	struct seal *seal = mem_zalloc(sizeof *seal);

	must(kind != NULL);
	seal->mac = EVP_MAC_CTX_new(kind);
	must(seal->mac != NULL);
	EVP_MAC_free(kind);
	must(EVP_MAC_init(seal->mac, (const unsigned char *)secret.at, secret.n, params) == 1);
	return seal;
}

void
seal_free(struct seal *seal)
{
	if (seal == NULL)
		return;
	EVP_MAC_CTX_free(seal->mac);
	mem_free(seal);
}

static void
seal_update(struct seal *seal, const void *bytes, size_t n)
{
	must(EVP_MAC_update(seal->mac, bytes, n) == 1);
}

/* The channel's length comes first, so that bytes cannot be moved between the channel and the message. */
static void
seal_make_tag(struct seal *seal, struct text channel, const void *message, size_t n, uint8_t tag[SEAL_TAG])
{
	uint8_t whole[32], length[4];
	size_t made;

	for (unsigned i = 0; i < sizeof length; i++)
		length[i] = (uint8_t)(channel.n >> (8 * i));
	must(EVP_MAC_init(seal->mac, NULL, 0, NULL) == 1);
	seal_update(seal, length, sizeof length);
	seal_update(seal, channel.at, channel.n);
	seal_update(seal, message, n);
	must(EVP_MAC_final(seal->mac, whole, &made, sizeof whole) == 1 && made == sizeof whole);
	memcpy(tag, whole, SEAL_TAG);
}

void
seal_add(struct seal *seal, struct text channel, struct buffer *message)
{
	uint8_t tag[SEAL_TAG];

	seal_make_tag(seal, channel, message->data, message->len, tag);
	buffer_add(message, tag, sizeof tag);
}

bool
seal_take(struct seal *seal, struct text channel, struct text *message)
{
	uint8_t tag[SEAL_TAG];

	if (message->n < SEAL_TAG)
		return false;
	seal_make_tag(seal, channel, message->at, message->n - SEAL_TAG, tag);
	/* compare in constant time, so that timing does not show how much of a guess is right */
	if (CRYPTO_memcmp(tag, message->at + message->n - SEAL_TAG, SEAL_TAG) != 0)
		return false;
	message->n -= SEAL_TAG;
	return true;
}
