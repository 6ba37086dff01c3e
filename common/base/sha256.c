#include "common/base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/must.h"

struct sha256
sha256_of(struct text first, struct text second)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct sha256 out;

	must(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
	must(EVP_DigestUpdate(context, first.at, first.n) == 1 &&
		EVP_DigestUpdate(context, second.at, second.n) == 1);
	must(EVP_DigestFinal_ex(context, out.bytes, NULL) == 1);
	EVP_MD_CTX_free(context);
	return out;
}

bool
sha256_same(const struct sha256 *a, const struct sha256 *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
