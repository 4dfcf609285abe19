#!lua
-- fold: takes the sums of the next epoch into the gate's totals, and moves the domain to another stage if that is due.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 the phase that this was worked out in
--       3 the epoch's number
--       4 the epoch's cell, exactly as read
--       5 what its decisions held of the allowance, in parts per million
--       6 '1' if a new phase begins
--       7 'keep' what was learned as a checkpoint, 'reinstate' the last one, or ''
--       8 and more: fields of `gate` and their values
-- Returns {FOLDED, view}
--         {OUTRUN, view}: another sidecar folded it, or the epoch or the phase changed; nothing was written
--
-- Why atomic: of all sidecars that work out the same step exactly one may take it, and totals, stage, salt and the
-- revision that announces them must change together: an epoch must never count twice, nor in two phases.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[1])
local now = now_ms()
local got = redis.call('HMGET', keys.gate, 'revision', 'folded', 'cell:' .. ARGV[3])
if got[1] ~= ARGV[2] or tonumber(got[2] or 0) + 1 ~= tonumber(ARGV[3]) or got[3] ~= ARGV[4] then
  return { OUTRUN, view(keys, now) }
end

for at = 8, #ARGV, 2 do redis.call('HSET', keys.gate, ARGV[at], ARGV[at + 1]) end
if ARGV[7] == 'keep' then keep(keys) end
if ARGV[7] == 'reinstate' then reinstate(keys) end
if ARGV[6] == '1' then
  begin_phase(keys.gate)
else
  local epoch = phase_of(keys.gate).epoch
  redis.call('HDEL', keys.gate, 'cell:' .. ARGV[3])
  redis.call('HINCRBY', keys.gate, 'unfolded_ppm', int(-tonumber(ARGV[5])))
  redis.call('HSET', keys.gate, 'folded', ARGV[3], 'epoch', int(math.max(epoch, tonumber(ARGV[3]) + 1)))
end
return { FOLDED, view(keys, now) }
