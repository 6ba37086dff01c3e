#include "node/backend/backend_proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/ascii.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/backend/backend_hello.h"

void
backend_nonce(char out[BACKEND_NONCE])
{
	uint8_t bytes[BACKEND_NONCE / 2];

	random_bytes(bytes, sizeof bytes);
	ascii_hex_write(bytes, sizeof bytes, out);
}

void
backend_proof(struct text secret, struct text nonce, struct text instance, char out[BACKEND_PROOF])
{
	size_t n = nonce.n + 1 + instance.n;
	uint8_t message[BACKEND_NONCE + 1 + BACKEND_NAME_MAX], digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	must(n <= sizeof message);
	memcpy(message, nonce.at, nonce.n);
	message[nonce.n] = '\n';
	memcpy(message + nonce.n + 1, instance.at, instance.n);
	must(HMAC(EVP_sha256(), secret.at, (int)secret.n, message, n, digest, &length) != NULL &&
		length == BACKEND_PROOF / 2);
	ascii_hex_write(digest, length, out);
}

bool
backend_proof_is(struct text secret, struct text nonce, struct text instance, struct text proof)
{
	char expected[BACKEND_PROOF];

	backend_proof(secret, nonce, instance, expected);
	return proof.n == sizeof expected && CRYPTO_memcmp(proof.at, expected, sizeof expected) == 0;
}
