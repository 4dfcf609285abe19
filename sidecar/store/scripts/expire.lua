#!lua
-- expire: closes decisions whose deadline has passed, and forgets those closed long ago.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 at most so many
--       3 EWMA length  4 recent length  5 how long a closed decision is remembered, in ms
-- Returns {SWEPT, how many, view if an epoch may be folded or nil}
--
-- Why atomic: a reward may arrive at the very deadline; it is either applied or late, and the money comes back once.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[1])
local now = now_ms()
local swept = sweep(keys, now, tonumber(ARGV[2]), shape_of(ARGV[3], ARGV[4], ARGV[5]))
return { SWEPT, swept, due(keys.gate, now) and view(keys, now) }
