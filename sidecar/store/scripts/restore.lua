#!lua
-- restore: replaces the statistics of some domains, and raises accounts to what was spent, if nothing changed.
--
-- KEYS  1 workspace, then for each domain eight: arms, recent, pending, due, settled, gate, checkpoint, workspace
-- ARGV  1 how many domains
--       2 how many account fields, then that many pairs: field of the workspace hash, value
--       then for each domain: name, expected version, how many arms fields, the pairs, how many recent fields, the pairs
-- Returns {RESTORED}, or {CONFLICT} when a domain's version is another: nothing was written.
--
-- Why atomic: comparing and setting must be one step, and a workspace is restored entirely or not at all.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua

local at = 2
local function pairs_from_argv()
  local first, count = at + 1, tonumber(ARGV[at])
  at = at + 1 + 2 * count
  return first, count
end
local function put(key, first, count)
  for k = first, first + 2 * count - 2, 2 do redis.call('HSET', key, ARGV[k], ARGV[k + 1]) end
end

local money, money_count = pairs_from_argv()
local domains = {}
for number = 1, tonumber(ARGV[1]) do
  local keys = { unpack(KEYS, 8 * number - 6, 8 * number + 1) }
  local one = { name = ARGV[at], keys = domain_keys(keys, ARGV[at]), expected = ARGV[at + 1] }
  at = at + 2
  one.arms, one.arms_count = pairs_from_argv()
  one.recent, one.recent_count = pairs_from_argv()
  if (redis.call('HGET', one.keys.arms, 'version') or '0') ~= one.expected then return { CONFLICT } end
  domains[number] = one
end

local now = now_ms()
put(KEYS[1], money, money_count)
for _, one in ipairs(domains) do
  local keys = one.keys
  found(keys, one.name, now)
  local version = redis.call('HGET', keys.arms, 'version')
  redis.call('DEL', keys.arms, keys.recent)
  put(keys.arms, one.arms, one.arms_count)
  put(keys.recent, one.recent, one.recent_count)
  redis.call('HSET', keys.recent, KEEP, '1')
  redis.call('HSET', keys.arms, 'version', int(tonumber(version) + 1))
end
return { RESTORED }
