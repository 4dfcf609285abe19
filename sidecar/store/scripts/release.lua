#!lua
-- release: closes a decision that was not acted on, gives its money back and learns nothing.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 decision id
--       3 EWMA length  4 recent length  5 how long a closed decision is remembered, in ms
--       6 only if its answer ends so, or '' whatever it is
-- Returns {RELEASED}   {CLOSED}   {UNKNOWN}
--
-- Why atomic: a reward and a release of one decision may arrive at two sidecars at once; one of them must win.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua

local keys = domain_keys(KEYS, ARGV[1])
local id = ARGV[2]
local now = now_ms()
local shape = shape_of(ARGV[3], ARGV[4], ARGV[5])

local record = redis.call('HGET', keys.pending, id)
if not record then return { redis.call('HEXISTS', keys.settled, id) == 1 and CLOSED or UNKNOWN } end
local decision = parse(record)
if decision.deadline <= now then
  expire(keys, id, record, now, shape)
  return { CLOSED }
end

if ARGV[6] ~= '' and string.sub(decision.answer, -#ARGV[6]) ~= ARGV[6] then return { UNKNOWN } end

local paid = string.match(decision.collected, '^%d* %d* (%d+)')
book(keys.workspace, keys.level, now, tonumber(decision.ceiling), tonumber(paid or 0))
redis.call('HINCRBY', keys.arms, 'released', 1)
resolve(keys.gate, now, decision.sample, '')
close(keys, id, 'released', record, now, shape.remember)
return { RELEASED }
