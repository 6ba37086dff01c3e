#include "broker/bus_log_scripts.h"

#include <openssl/evp.h>

#include "common/base/ascii.h"
#include "common/base/must.h"

/*
 * KEYS: stream, counter of messages. ARGV: channel, text. Publishes "<text> <seconds> <microseconds> <position>",
 * where the two numbers are the server's clock, and returns "<position> <count>". An empty stream gets a mark, so
 * that there is a position.
 */
static const char check[] = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]\n"
			    "local now, count = redis.call('TIME'), redis.pcall('GET', KEYS[2]) or '0'\n"
			    "local id = last and last[1] or redis.call('XADD', KEYS[1], '*', 'm', '')\n"
			    "redis.call('PUBLISH', ARGV[1], table.concat({ARGV[2], now[1], now[2], id}, ' '))\n"
			    "return id .. ' ' .. (type(count) == 'string' and count or '?')\n";

/*
 * KEYS: stream. ARGV: position, maximum entries, bytes after which the answer ends, maximum bytes of one entry.
 * Returns what bus_record_read_head() and bus_record_next_entry() read: the entries after the position. The commands
 * read few entries at a time, because entries may be large.
 */
static const char read[] = "local from, out, n, bytes, found = ARGV[1], {}, 0, 0, '0'\n"
			   "local count, limit, largest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])\n"
			   "while true do\n"
			   "  local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 9)\n"
			   "  for _, entry in ipairs(entries) do\n"
			   "    local id, f = entry[1], entry[2]\n"
			   "    if id == from then\n"
			   "      if n == 0 then found = '1' end\n"
			   "    elseif n >= count or bytes >= limit then\n"
			   "      return found .. '1\\n' .. table.concat(out)\n"
			   "    else\n"
			   "      n = n + 1\n"
			   "      if #f ~= 2 or f[1] ~= 'm' or #f[2] > largest then\n"
			   "        out[#out + 1] = id .. ' ?\\n'\n"
			   "      else\n"
			   "        out[#out + 1] = id .. ' ' .. #f[2] .. '\\n'\n"
			   "        out[#out + 1] = f[2]\n"
			   "        bytes = bytes + #f[2]\n"
			   "      end\n"
			   "    end\n"
			   "  end\n"
			   "  if #entries < 9 then return found .. '0\\n' .. table.concat(out) end\n"
			   "  from = entries[#entries][1]\n"
			   "end\n";

static const struct text scripts[LOG_SCRIPT_COUNT] = {
	[LOG_SCRIPT_CHECK] = {check, sizeof check - 1},
	[LOG_SCRIPT_READ] = {read, sizeof read - 1},
};

struct text
bus_log_script(enum bus_log_script script, char sha[LOG_SCRIPT_SHA_LENGTH])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	must(EVP_Digest(scripts[script].at, scripts[script].n, digest, &n, EVP_sha1(), NULL) == 1 &&
		2 * n == LOG_SCRIPT_SHA_LENGTH);
	ascii_hex_write(digest, n, sha);
	return scripts[script];
}
