#include "node/socketio/sio_vault_scripts.h"

/* Sets `now` to the time of Redis in ms. */
#define NOW "local t = redis.call('TIME')\nlocal now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

static const char save[] =
	NOW "local h = redis.call('HMGET', KEYS[1], 'w', 'v', 'c', 'q')\n"
	    "if h[1] and (h[1] ~= ARGV[1] or h[2]) then return 'X' end\n"
	    "if ARGV[5] == '' then\n"
	    "  redis.call('HSET', KEYS[1], 's', ARGV[4], 'c', h[4] or h[3] or '', 'n', ARGV[3], 'w', ARGV[1])\n"
	    "else\n"
	    "  redis.call('HSET', KEYS[1], 's', ARGV[4], 'n', ARGV[3], 'w', ARGV[1], 'l', '1',\n"
	    "    'm', string.format('%d', now))\n"
	    "  if ARGV[6] == '1' or not h[3] then\n"
	    "    redis.call('HSET', KEYS[1], 'c', ARGV[5])\n"
	    "    redis.call('HDEL', KEYS[1], 'q')\n"
	    "  else\n"
	    "    redis.call('HSET', KEYS[1], 'q', ARGV[5])\n"
	    "  end\n"
	    "end\n"
	    "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
	    "return '1'\n";

static const char withdraw[] = "local h = redis.call('HMGET', KEYS[1], 'w', 'v')\n"
			       "if h[1] ~= ARGV[1] or h[2] then return '0' end\n"
			       "redis.call('HDEL', KEYS[1], 's')\n"
			       "return '1'\n";

static const char late[] = NOW "local h = redis.call('HMGET', KEYS[1], 'w', 'v')\n"
			       "if h[1] and (h[1] ~= ARGV[1] or h[2]) then return 'X' end\n"
			       "redis.call('HSET', KEYS[1], 's', ARGV[4], 'c', ARGV[5], 'n', ARGV[3], 'w', ARGV[1],\n"
			       "  'm', string.format('%d', now - ARGV[6]))\n"
			       "redis.call('HDEL', KEYS[1], 'l', 'q', 'e')\n"
			       "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
			       "return '1'\n";

static const char quiet[] = NOW "local h = redis.call('HMGET', KEYS[1], 'w', 'v')\n"
				"if not h[1] then return '0' end\n"
				"if h[1] ~= ARGV[1] or h[2] then return 'X' end\n"
				"redis.call('HSET', KEYS[1], 'q', ARGV[3], 'm', string.format('%d', now))\n"
				"redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
				"return '1'\n";

static const char store[] = "local h = redis.call('HMGET', KEYS[1], 'w', 'l')\n"
			    "if h[1] ~= ARGV[1] or not h[2] then return '0' end\n"
			    "redis.call('HDEL', KEYS[1], 'l')\n"
			    "redis.call('HSET', KEYS[1], 'e', ARGV[3])\n"
			    "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
			    "return '1'\n";

static const char expire[] = NOW "local h = redis.call('HMGET', KEYS[1], 'w', 'l', 'e', 's', 'v', 't')\n"
				 "if h[1] ~= ARGV[1] or h[2] or h[3] ~= ARGV[2] or not h[4] then return '0' end\n"
				 "local mine = ARGV[3] == '1' and h[5] and string.sub(h[5], 1, #ARGV[1]) == ARGV[1]\n"
				 "if h[5] and not mine and tonumber(h[6] or '0') > now then return 'V' end\n"
				 "redis.call('DEL', KEYS[1])\n"
				 "if mine then return '0' end\n"
				 "return 'E' .. h[4]\n";

static const char end[] = "local h = redis.call('HMGET', KEYS[1], 'w', 'v', 'l')\n"
			  "if h[2] and string.sub(h[2], 1, #ARGV[1]) ~= ARGV[1] then return '0' end\n"
			  "if not h[2] and h[3] and h[1] ~= ARGV[1] then return '0' end\n"
			  "redis.call('DEL', KEYS[1])\n"
			  "return '1'\n";

/*
 * Until VAULT_READ gives the session to this worker, the client has its newest events from the worker in field w. The
 * script copies w to field o, because VAULT_READ asks that worker for open events. Then w names the worker that
 * reports the end.
 */
static const char release[] = "local h = redis.call('HMGET', KEYS[1], 'v', 'w', 'l', 'k', 'o')\n"
			      "local mine = h[1] and string.sub(h[1], 1, #ARGV[1]) == ARGV[1]\n"
			      "local read = not h[1] and h[2] == ARGV[3] and h[3] and h[4] == ARGV[2]\n"
			      "if not (mine or read) then return '1' end\n"
			      "redis.call('HDEL', KEYS[1], 'v', 't', 'l')\n"
			      "if ARGV[5] then\n"
			      "  if mine and not h[5] then redis.call('HSET', KEYS[1], 'o', h[2]) end\n"
			      "  redis.call('HSET', KEYS[1], 'w', ARGV[3], 'e', ARGV[5])\n"
			      "  redis.call('PEXPIRE', KEYS[1], ARGV[4])\n"
			      "end\n"
			      "return '1'\n";

/*
 * A worker without a subscription in Redis counts as dead. If it lives, its next write of the session returns X, and
 * its VAULT_READ returns N. Claims are numbered in the order in which they come. A claim does not take the session
 * from a later one: it may be that of a connection that the client has lost. If the answer with its number is lost, a
 * claim is repeated without one, so the script notes the numbers of claims that wait, and of those that others have
 * replaced. A Redis that has failed over may have forgotten the last numbers, so two claims may have the same one.
 */
static const char claim[] =
	NOW "local h = redis.call('HMGET', KEYS[1], 'w', 'n', 'v', 't', 'l', 's', 'c', 'q', 'm', 'i', 'k', 'a')\n"
	    "if not h[1] then return 'N' end\n"
	    "if h[2] ~= ARGV[3] then return 'F' end\n"
	    "local last, got, number = tonumber(h[10] or '0'), tonumber(h[11] or '0'), tonumber(ARGV[9])\n"
	    "local mine, new, noted = h[3] == ARGV[2], false, h[12] or ''\n"
	    "local claimed = h[3] and not mine and tonumber(h[4] or '0') > now\n"
	    "local held = claimed or h[5]\n"
	    "local function note(claim, n)\n"
	    "  local line = '\\n' .. claim .. string.format(' %016d', n)\n"
	    "  redis.call('HSET', KEYS[1], 'a', string.sub(noted .. line, -32 * #line))\n"
	    "end\n"
	    "if number == 0 then\n"
	    "  local at = string.find(noted, '\\n' .. ARGV[2] .. ' ', 1, true)\n"
	    "  if at then number = tonumber(string.sub(noted, at + #ARGV[2] + 2, at + #ARGV[2] + 17)) end\n"
	    "end\n"
	    "if mine then\n"
	    "  number = got\n"
	    "elseif number == 0 then\n"
	    "  if held and last - got >= tonumber(ARGV[10]) then return 'N' end\n"
	    "  number, new = last + 1, true\n"
	    "elseif number < got or (number == got and held) then\n"
	    "  return 'P'\n"
	    "end\n"
	    "local text = string.format('%d', number)\n"
	    "if number > last then redis.call('HSET', KEYS[1], 'i', text) end\n"
	    "if held then\n"
	    "  local worker = claimed and string.sub(h[3], 1, #ARGV[1]) or h[1]\n"
	    "  local ask = claimed and 'G' .. h[3] or 'T'\n"
	    "  local waits = redis.call('PUBLISH', ARGV[5] .. worker, ask .. ARGV[6]) > 0 and 'L'\n"
	    "    or ARGV[8] == '0' and 'W'\n"
	    "  if waits then\n"
	    "    if new then note(ARGV[2], number) end\n"
	    "    return waits .. text\n"
	    "  end\n"
	    "end\n"
	    "if not (h[6] and h[7]) then return 'N' end\n"
	    "if h[3] and not mine then note(h[3], got) end\n"
	    "redis.call('HSET', KEYS[1], 'v', ARGV[2], 't', string.format('%d', now + ARGV[4]), 'k', text)\n"
	    "redis.call('HDEL', KEYS[1], 'l')\n"
	    "local left = redis.call('PTTL', KEYS[1])\n"
	    "if left < 2 * ARGV[4] then redis.call('PEXPIRE', KEYS[1], 2 * ARGV[4]) end\n"
	    "local q = h[8] or ''\n"
	    "return table.concat({'C', #h[6], #h[7], #q, h[9] or '0', redis.call('GET', KEYS[2]) or '0',\n"
	    "  redis.call('GET', KEYS[3]) or '0', text, redis.call('PUBSUB', 'NUMSUB', ARGV[7])[2]}, ' ') .. '\\n' "
	    ".. h[6] "
	    ".. h[7] .. q\n";

/*
 * Everything up to the place counts as received. After it, every message to the whole namespace or to the session's
 * rooms must carry an event number, and no event may carry "!", the sign that earlier events were never recorded.
 * The open events of the client's worker must be in the log. If only they are missing and that worker is subscribed,
 * the answer is O: after an outage, a worker holds its events until the others are back (bus_settle.c).
 */
static const char read[] =
	"local a = ARGV\n"
	"if redis.call('HGET', KEYS[1], 'v') ~= a[1] then return 'N' end\n"
	"local floor, place, sender, number, own = a[2], a[3], a[4], a[5], a[6]\n"
	"local newest, open, have = tonumber(a[7]), tonumber(a[8]), tonumber(a[9])\n"
	"local limit, prefix, rooms = tonumber(a[10]), a[11], {}\n"
	"for i = 16, #a do rooms[a[i] .. '#'] = true end\n"
	"rooms[''] = true\n"
	"local function parts(id)\n"
	"  local ms, seq = string.match(id, '^(%d+)-(%d+)$')\n"
	"  return tonumber(ms), tonumber(seq)\n"
	"end\n"
	"local pms, pseq = parts(place)\n"
	"local from, met, passed, found, out, bytes = floor, place == floor, false, number == '0', {}, 0\n"
	"local lacks = open\n"
	"if #redis.call('XRANGE', KEYS[2], from, from) == 0 then return 'G' end\n"
	"while true do\n"
	"  local entries = redis.call('XRANGE', KEYS[2], '(' .. from, '+', 'COUNT', 64)\n"
	"  for _, entry in ipairs(entries) do\n"
	"    local id, f = entry[1], entry[2]\n"
	"    from = id\n"
	"    if id == place then met = true end\n"
	"    if not passed then\n"
	"      local ms, seq = parts(id)\n"
	"      passed = ms > pms or (ms == pms and seq > pseq)\n"
	"    end\n"
	"    if #f ~= 2 or f[1] ~= 'm' then return 'G' end\n"
	"    local d, at = f[2], 1\n"
	"    while at <= #d do\n"
	"      local b, e, cn, mn = string.find(d, '^(%d+) (%d+)\\n', at)\n"
	"      if not b then return 'G' end\n"
	"      local last = e + cn + mn\n"
	"      local sep, event, who, n = string.match(string.sub(d, math.max(e + cn + 1, last - 128), last),\n"
	"        '%-%d+([:!]?)(%d*)/%a(............)/(%d+)[\"}]*$')\n"
	"      if not sep then return 'G' end\n"
	"      event = tonumber(event)\n"
	"      local mine = event and string.sub(who, 1, 8) == own\n"
	"      if mine and event > newest - open and event <= newest then lacks = lacks - 1 end\n"
	"      if passed and found and not (mine and event <= have) then\n"
	"        if sep == '!' then return 'G' end\n"
	"        local channel = string.sub(d, e + 1, e + cn)\n"
	"        if string.sub(channel, 1, #prefix) == prefix and rooms[string.sub(channel, #prefix + 1)] then\n"
	"          if not event then return 'S' end\n"
	"          out[#out + 1] = string.sub(d, at, last)\n"
	"          bytes = bytes + last - at\n"
	"          if bytes > limit then return 'T' end\n"
	"        end\n"
	"      end\n"
	"      if passed and not found and n == number and who == sender then found = true end\n"
	"      at = last + 1\n"
	"    end\n"
	"  end\n"
	"  if #entries < 64 then break end\n"
	"end\n"
	"if lacks > 0 and met and found and a[15] ~= '' then\n"
	"  local owners = redis.call('HMGET', KEYS[1], 'o', 'w')\n"
	"  return redis.call('PUBSUB', 'NUMSUB', a[15] .. (owners[1] or owners[2] or ''))[2] > 0 and 'O' or 'G'\n"
	"end\n"
	"if not (met and found and lacks == 0) then return 'G' end\n"
	"if a[12] ~= '' then\n"
	"  redis.call('HSET', KEYS[1], 'w', a[14], 'l', '1')\n"
	"  redis.call('HDEL', KEYS[1], 'v', 't', 'o')\n"
	"  redis.call('PUBLISH', a[12], a[13] .. from .. '\\n' .. table.concat(out))\n"
	"end\n"
	"return 'R'\n";

/* A later note may count for a shorter time, and the clock of a new master may be behind. */
static const char stranger[] =
	NOW "local noted = tonumber(redis.call('GET', KEYS[1]) or '0') or 0\n"
	    "if noted > now + ARGV[1] then noted = 0 end\n"
	    "redis.call('SET', KEYS[1], string.format('%d', math.max(noted, now + ARGV[2])), 'PX', ARGV[1])\n"
	    "return '1'\n";

static const struct text scripts[VAULT_SCRIPTS] = {
	[VAULT_SAVE] = {save, sizeof save - 1},
	[VAULT_WITHDRAW] = {withdraw, sizeof withdraw - 1},
	[VAULT_LATE] = {late, sizeof late - 1},
	[VAULT_QUIET] = {quiet, sizeof quiet - 1},
	[VAULT_STORE] = {store, sizeof store - 1},
	[VAULT_EXPIRE] = {expire, sizeof expire - 1},
	[VAULT_END] = {end, sizeof end - 1},
	[VAULT_RELEASE] = {release, sizeof release - 1},
	[VAULT_CLAIM] = {claim, sizeof claim - 1},
	[VAULT_READ] = {read, sizeof read - 1},
	[VAULT_STRANGER] = {stranger, sizeof stranger - 1},
};

struct text
sio_vault_script(enum sio_vault_script script)
{
	return scripts[script];
}
