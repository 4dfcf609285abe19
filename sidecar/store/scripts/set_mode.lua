#!lua
-- set_mode: changes how far a domain lets the learner act, for every sidecar, and begins a new phase of the gate.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 the revision of the control that this change was worked out from
--       3 mode
--       4 reason
--       5 settings to lay over the configured ones, as JSON, or '' to keep those laid before
--       6 '1' to exchange what was learned for the last checkpoint
--       7 and more: fields of `gate` and their values
-- Returns {MODE_SET, revision, the mode before or '', 1 if the checkpoint was reinstated}
--         {STALE, view}: the control is another; nothing was written
--
-- Why atomic: mode, reason, settings, the gate's new phase and the revision that announces them must be seen together.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[1])
local now = now_ms()
if (redis.call('HGET', keys.gate, 'revision') or '0') ~= ARGV[2] then return { STALE, view(keys, now) } end
found(keys, ARGV[1], now)
local before = redis.call('HGET', keys.gate, 'mode') or ''
redis.call('HSET', keys.gate, 'mode', ARGV[3], 'reason', ARGV[4], 'changed_at_ms', int(now))
if ARGV[5] ~= '' then redis.call('HSET', keys.gate, 'settings', ARGV[5]) end
for at = 7, #ARGV, 2 do redis.call('HSET', keys.gate, ARGV[at], ARGV[at + 1]) end
local reinstated = ARGV[6] == '1' and reinstate(keys)
return { MODE_SET, begin_phase(keys.gate), before, reinstated and 1 or 0 }
