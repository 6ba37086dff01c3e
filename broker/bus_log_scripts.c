#include "broker/bus_log_scripts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/mem.h"
#include "common/base/must.h"

/* Completes a message (see the table of kinds in bus_record.h); 106 is "j" and 109 is "m". */
#define COMPLETE                                                                                                     \
	"local call, byte, char = redis.call, string.byte, string.char\n"                                            \
	"local function complete(m, id, s)\n"                                                                        \
	"  local k, n = byte(s), #id + #s + 1\n"                                                                     \
	"  if k == 106 then return m .. ',\"position\":\"' .. id .. '/' .. s .. '\"}' end\n"                         \
	"  if k == 109 then return m .. '\\168position\\217' .. char(n) .. id .. '/' .. s end\n"                     \
	"  return m .. '\\217' .. char(n) .. id .. '/' .. s\n"                                                       \
	"end\n"

/*
 * KEYS: stream, fence. ARGV: length of the stream, number of the connection, then channel, message and stamp of each
 * message. The fence refuses what an older connection of the sender left behind in the server, because the sender has
 * looked for those messages already and sends the missing ones again. If the server refuses the publish, it is not
 * kept in the log either, because the sender tries it again. Only the last entry trims the stream: trimming costs as
 * much as an entry.
 */
static const char publish[] =
	COMPLETE "local argv, last, max, log, publish = ARGV, #ARGV, ARGV[1], KEYS[1], redis.pcall\n"
		 "local fence = call('GET', KEYS[2])\n"
		 "if fence and tonumber(fence) > tonumber(ARGV[2]) then\n"
		 "  return redis.error_reply('FENCED this connection was replaced')\n"
		 "end\n"
		 "local id\n"
		 "for i = 3, last, 3 do\n"
		 "  local c, m, s = argv[i], argv[i + 1], argv[i + 2]\n"
		 "  if i + 3 > last then\n"
		 "    id = call('XADD', log, 'MAXLEN', '~', max, '*', 'c', c, 'm', m, 's', s)\n"
		 "  else\n"
		 "    id = call('XADD', log, '*', 'c', c, 'm', m, 's', s)\n"
		 "  end\n"
		 "  local r = publish('PUBLISH', c, complete(m, id, s))\n"
		 "  if type(r) == 'table' then\n"
		 "    call('XDEL', log, id)\n"
		 "    return r\n"
		 "  end\n"
		 "end\n"
		 "return id\n";

/*
 * KEYS: stream. ARGV: channel, text. Publishes "<text> <seconds> <microseconds> <position>", where the first two are
 * the server's clock. An empty stream gets an entry without a message, so that there is a position.
 */
static const char check[] =
	"local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]\n"
	"local now = redis.call('TIME')\n"
	"local id = last and last[1] or redis.call('XADD', KEYS[1], '*', 'c', '', 'm', '', 's', '')\n"
	"redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. now[1] .. ' ' .. now[2] .. ' ' .. id)\n"
	"return id\n";

/*
 * KEYS: stream. ARGV: position, maximum entries, bytes after which the answer ends, maximum bytes of one entry.
 * Returns what bus_record_read_head() and bus_record_next() read: the records behind the position. The commands read
 * few entries at a time, because entries may be large.
 */
static const char read[] =
	COMPLETE "local from, out, n, bytes, found = ARGV[1], {}, 0, 0, '0'\n"
		 "local count, limit, largest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])\n"
		 "while true do\n"
		 "  local entries = call('XRANGE', KEYS[1], from, '+', 'COUNT', 9)\n"
		 "  for _, entry in ipairs(entries) do\n"
		 "    local id, f = entry[1], entry[2]\n"
		 "    if id == from then\n"
		 "      if n == 0 then found = '1' end\n"
		 "    elseif n >= count or bytes >= limit then\n"
		 "      return found .. '1\\n' .. table.concat(out)\n"
		 "    else\n"
		 "      n = n + 1\n"
		 "      if #f ~= 6 or f[1] ~= 'c' or f[3] ~= 'm' or f[5] ~= 's' or #f[6] > 48 or #f[2] + #f[4] > "
		 "largest then\n"
		 "        out[#out + 1] = id .. ' ?\\n'\n"
		 "      elseif f[6] == '' then\n"
		 "        out[#out + 1] = id .. ' -\\n'\n"
		 "      else\n"
		 "        local m = complete(f[4], id, f[6])\n"
		 "        out[#out + 1] = id .. ' ' .. #f[2] .. ' ' .. #m .. '\\n'\n"
		 "        out[#out + 1] = f[2]\n"
		 "        out[#out + 1] = m\n"
		 "        bytes = bytes + #f[2] + #m\n"
		 "      end\n"
		 "    end\n"
		 "  end\n"
		 "  if #entries < 9 then return found .. '0\\n' .. table.concat(out) end\n"
		 "  from = entries[#entries][1]\n"
		 "end\n";

static const char *const texts[LOG_SCRIPT_COUNT] = {
	[LOG_SCRIPT_PUBLISH] = publish,
	[LOG_SCRIPT_CHECK] = check,
	[LOG_SCRIPT_READ] = read,
};

char *
bus_log_script_new(enum bus_log_script script, const char variant[2], char sha[LOG_SCRIPT_SHA_LENGTH])
{
	size_t size = strlen(texts[script]) + sizeof "-- ..\n";
	char *text = mem_alloc(size);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	snprintf(text, size, "-- %.2s\n%s", variant, texts[script]);
	must(EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL) == 1 && 2 * n == LOG_SCRIPT_SHA_LENGTH);
	ascii_hex_write(digest, n, sha);
	return text;
}
