#!lua
-- lease: sets money aside for one sidecar to decide with while the store is away, and books what it spent of it.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 the sidecar, a name
--       3 the number of this report: one that was taken before is not booked again
--       4 nano-dollars that were spent since the report before  5 nano-dollars wanted from now on
--       6 how long they are wanted for, in ms
--       7 domain limit in nano-dollars or ''  8 its window
--       9 workspace limit or ''  10 its window
-- Returns the nano-dollars that are set aside now: as many as wanted, or what the limits have left.
--
-- Why atomic: money that moves from the limit to a lease, or from a lease to what is spent, must not be seen in both or
-- in neither, or another sidecar's decision is promised it too.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua

local keys, now = domain_keys(KEYS, ARGV[1]), now_ms()
local member, field = LEASE .. ARGV[2], lease_field(keys, ARGV[2])
found(keys, ARGV[1], now)

local held, lapses, report = string.match(redis.call('HGET', keys.workspace, field) or '', '^(%d+) (%d+) (%d+)$')
if held and tonumber(lapses) <= now then
  lapse(keys, member, now)
  held = nil
end
-- Of a lease that lapsed all is booked already, and of a report that was taken its part.
held = tonumber(held or 0)
local spent = held > 0 and report ~= ARGV[3] and tonumber(ARGV[4]) or 0
book(keys.workspace, keys.level, now, math.min(spent, held), spent)

local left = held - math.min(spent, held)
local money = accounts(keys.workspace, { keys.level, 'workspace' }, { ARGV[8], ARGV[10] }, now)
local free = math.min(available(money[1], ARGV[7], ''), available(money[2], ARGV[9], ''))
local granted = math.max(0, math.min(tonumber(ARGV[5]), left + free))
for _, acc in ipairs(money) do
  turn(keys.workspace, acc)
  redis.call('HINCRBY', keys.workspace, 'reserved_nano:' .. acc.level, int(granted - left))
end
if granted == 0 then
  redis.call('HDEL', keys.workspace, field)
  redis.call('ZREM', keys.due, member)
else
  local ends = int(now + tonumber(ARGV[6]))
  redis.call('HSET', keys.workspace, field, table.concat({ int(granted), ends, ARGV[3] }, ' '))
  redis.call('ZADD', keys.due, ends, member)
end
return int(granted)
