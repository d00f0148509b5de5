//! The steps that Redis or Valkey takes whole or not at all (Lua).
//!
//! A session is a hash: `o` its holder, `e` the epoch, `d` what is known of it, sealed. Nodes are named
//! by the session they hold, so their keys are made within: such scripts need one primary that has all
//! keys, and not a Redis Cluster.

/// KEYS session; ARGV node, epoch, data, ttl in ms. 1 where it is that holder's now.
pub(super) const ENTER: &str = r"
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
if s[1] and (s[1] ~= ARGV[1] or s[2] ~= ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'o', ARGV[1], 'e', ARGV[2], 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// KEYS session, era; ARGV prefix of nodes. Holder, epoch, data, node's record, its ms left, era; false
/// for what is not there.
pub(super) const LOOK_UP: &str = r"
local era = redis.call('GET', KEYS[2])
local s = redis.call('HMGET', KEYS[1], 'o', 'e', 'd')
if not s[1] then return {false, false, false, false, 0, era} end
local node = ARGV[1] .. s[1]
return {s[1], s[2], s[3], redis.call('GET', node), redis.call('PTTL', node), era}";

/// KEYS session; ARGV node, epoch, claimant, ms that the node's lease may have left, ttl in ms, prefix of
/// nodes. A word, and the holder.
pub(super) const CLAIM: &str = r"
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
if not s[1] then return {'gone', '', '0'} end
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return {'lost', s[1], s[2]} end
if s[1] ~= '' and redis.call('PTTL', ARGV[6] .. s[1]) > tonumber(ARGV[4]) then return {'alive', s[1], s[2]} end
local e = redis.call('HINCRBY', KEYS[1], 'e', 1)
redis.call('HSET', KEYS[1], 'o', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {'won', ARGV[3], tostring(e)}";

/// KEYS session; ARGV node, epoch. 1 where it was let go.
pub(super) const RELEASE: &str = r"
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[1], 'e', 1)
redis.call('HSET', KEYS[1], 'o', '')
return 1";

/// KEYS session; ARGV node, epoch. 1 where it was forgotten.
pub(super) const FORGET: &str = r"
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])";

/// KEYS session; ARGV node, epoch, data, ttl in ms. 1 where it was replaced.
pub(super) const REWRITE: &str = r"
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// KEYS sessions; ARGV node, ttl in ms, an epoch for each. For each 1 kept, 0 somebody else's, -1 unknown.
pub(super) const KEEP: &str = r"
local kept = {}
for i, key in ipairs(KEYS) do
  local s = redis.call('HMGET', key, 'o', 'e')
  if not s[1] then kept[i] = -1
  elseif s[1] ~= ARGV[1] or s[2] ~= ARGV[i + 2] then kept[i] = 0
  else redis.call('PEXPIRE', key, ARGV[2]); kept[i] = 1 end
end
return kept";

/// KEYS node, nodes, era; ARGV node, data, life in ms, era. Era, seconds, microseconds, 1 where the lease
/// had run out.
pub(super) const BEAT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lapsed = redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
redis.call('SET', KEYS[3], ARGV[4], 'NX')
return {redis.call('GET', KEYS[3]), time[1], time[2], lapsed}";

/// KEYS node, nodes; ARGV node.
pub(super) const LEAVE: &str = r"
redis.call('DEL', KEYS[1])
return redis.call('ZREM', KEYS[2], ARGV[1])";

/// KEYS nodes; ARGV prefix of nodes. Names and records in turn.
pub(super) const NODES: &str = r"
local found = {}
for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, 1023)) do
  local data = redis.call('GET', ARGV[1] .. node)
  if data then found[#found + 1] = node; found[#found + 1] = data end
end
return found";
