#!lua
-- recommend: issues one decision, or says why not.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 decision id
--       3 the version of the statistics that the offers were made on
--       4 the revision of the control that the offers were made under
--       5 freshness: 'any', 'refresh' (send newer statistics along) or 'exact' (refuse if there are newer ones)
--       6 how long the reward may take, in ms
--       7 the reward in micro-units if none comes, or ''
--       8 EWMA length  9 recent length  10 how long a closed decision is remembered, in ms
--       11 domain limit in nano-dollars or ''  12 its window  13 its pace in nano-dollars a decision or ''
--       14 workspace limit or ''  15 its window  16 its pace or ''
--       17 the arm that the policy proposes, or ''  18 '1' if that is the baseline
--       19 whether a sample executes the proposal, '1' or '0'  20 its share in parts per million
--       21 what it adds to the sums  22 so many decisions fill an epoch  23 so long an epoch lasts, in ms
--       24 and more, six for each offer, dearest first: least money that must be available (or '' if none need
--          be), whether the limit counts as paced or as a whole ('pace' or 'limit'), arm, ceiling in nano-dollars,
--          answer (opaque), and what the gate says: 'sample' if the decision is one, 'room' if it is none, but made
--          as if an exposure were possible, or ''. The first two are skipped when the allowance has no room for one.
-- Returns {ISSUED, number of the offer from 1, deadline_ms, version, view or nil}
--         {REPLAYED, answer, deadline_ms}   {STALE, view}   {REFUSED, now_ms}
--
-- Why atomic: knowing the id, checking every budget level, reserving, and recording the decision must not be
-- separated by another sidecar's decision, or money is promised twice.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[1])
local id = ARGV[2]

local record = redis.call('HGET', keys.pending, id) or redis.call('HGET', keys.settled, id)
if record then
  local known = parse(string.gsub(record, '^%a+\t', '', 1))
  return { REPLAYED, known.answer, int(known.deadline) }
end

local version = redis.call('HGET', keys.arms, 'version') or '0'
local revision = redis.call('HGET', keys.gate, 'revision') or '0'
local now = now_ms()
if revision ~= ARGV[4] or (ARGV[5] == 'exact' and version ~= ARGV[3]) then return { STALE, view(keys, now) } end

local shape = shape_of(ARGV[8], ARGV[9], ARGV[10])
found(keys, ARGV[1], now)
sweep(keys, now, 16, shape)

local domain = account(keys.workspace, keys.level, ARGV[12], now)
local workspace = account(keys.workspace, 'workspace', ARGV[15], now)
local money = {
  pace = math.min(available(domain, ARGV[11], ARGV[13]), available(workspace, ARGV[14], ARGV[16])),
  limit = math.min(available(domain, ARGV[11], ''), available(workspace, ARGV[14], '')),
}

local share = tonumber(ARGV[20])
local admitted = admits(keys.gate, share)
for at = 24, #ARGV, 6 do
  local affordable = ARGV[at] == '' or tonumber(ARGV[at]) <= money[ARGV[at + 1]]
  if affordable and (admitted or ARGV[at + 5] == '') then
    local arm, ceiling = ARGV[at + 2], ARGV[at + 3]
    local deadline, sample = int(now + tonumber(ARGV[6])), ''
    if ARGV[at + 5] == 'sample' then
      local epoch = charge(keys.gate, now, share, ARGV[21], tonumber(ARGV[22]), tonumber(ARGV[23]))
      sample = table.concat({ revision, epoch, ARGV[19] }, ' ')
    end
    reserve(keys.workspace, domain, tonumber(ceiling))
    reserve(keys.workspace, workspace, tonumber(ceiling))
    redis.call('HSET', keys.pending, id, packed({
      issued = now, deadline = deadline, ceiling = ceiling, default = ARGV[7], arm = arm, answer = ARGV[at + 4],
      sample = sample, collected = '',
    }))
    redis.call('ZADD', keys.due, deadline, id)
    redis.call('HINCRBY', keys.arms, 'decisions', 1)
    redis.call('HINCRBY', keys.arms, 'pulls:' .. arm, 1)
    if ARGV[17] ~= '' then
      redis.call('HINCRBY', keys.arms, 'shadowed', 1)
      redis.call('HINCRBY', keys.arms, 'proposed:' .. ARGV[17], 1)
      if ARGV[18] == '1' then redis.call('HINCRBY', keys.arms, 'agreed', 1) end
    end
    version = redis.call('HGET', keys.arms, 'version')
    local newer = ARGV[5] ~= 'any' and version ~= ARGV[3]
    return { ISSUED, (at - 18) / 6, deadline, version, newer and view(keys, now) or false }
  end
end

redis.call('HINCRBY', keys.arms, 'refused', 1)
return { REFUSED, int(now) }
