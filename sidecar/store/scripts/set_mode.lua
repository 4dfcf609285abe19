#!lua
-- set_mode: changes how far a domain lets the learner act, for every sidecar.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 workspace   (of one domain, one hash tag)
-- ARGV  1 domain, a name
--       2 mode
--       3 reason
--       4 settings to lay over the configured ones, as JSON, or '' to keep those laid before
-- Returns {MODE_SET, revision, the mode before or ''}
--
-- Why atomic: mode, reason, settings and the revision that announces them must be seen together.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _decision.lua

local keys = domain_keys(KEYS, ARGV[1])
local now = now_ms()
found(keys, ARGV[1], now)
local before = redis.call('HGET', keys.gate, 'mode') or ''
redis.call('HSET', keys.gate, 'mode', ARGV[2], 'reason', ARGV[3], 'changed_at_ms', int(now))
if ARGV[4] ~= '' then redis.call('HSET', keys.gate, 'settings', ARGV[4]) end
return { MODE_SET, redis.call('HINCRBY', keys.gate, 'revision', 1), before }
