#!lua
-- recommend: issues one decision, or says why not.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  what is this decision's own:
--       1 decision id  2 '1' if the id may be known already, '0' if it was made for this call
--       3 the version of the statistics that the offers were made on
--       4 the revision of the control that the offers were made under
--       5 freshness: 'any', 'refresh' (send newer statistics along) or 'exact' (refuse if there are newer ones)
--       what many decisions share:
--       6 domain, a name
--       7 how long the reward may take, in ms
--       8 the reward in micro-units if none comes, or ''
--       9 EWMA length  10 recent length  11 how long a closed decision is remembered, in ms
--       12 domain limit in nano-dollars or ''  13 its window  14 its pace in nano-dollars a decision or ''
--       15 workspace limit or ''  16 its window  17 its pace or ''
--       18 the arm that the policy proposes, or ''  19 '1' if that is the baseline
--       20 whether a sample executes the proposal, '1' or '0'  21 its share in parts per million
--       22 so many decisions fill an epoch  23 so long an epoch lasts, in ms
--       24 how many offers follow  25 '1' if they are all, '0' if cheaper ones were left out
--       26 and more: offers, dearest first, six arguments for each: least money that must be available (or '' if none need
--          be), whether the limit counts as paced or as a whole ('pace' or 'limit'), arm, ceiling in nano-dollars,
--          answer (opaque), and what the gate says: 'sample' if the decision is one, 'room' if it is none, but made
--          as if an exposure were possible, or ''. The first two are skipped when the allowance has no room for one.
--       then the arms that statistics are wanted of, where a domain has too many to send all (`_view.lua`)
-- Returns {ISSUED, number of the offer from 1, deadline_ms, version, view or nil}
--         {REPLAYED, answer, deadline_ms}   {STALE, view}   {REFUSED, now_ms}
--         {SHORT}: none of these offers is affordable; nothing was issued
--
-- Why atomic: knowing the id, checking every budget level, reserving, and recording the decision must not be
-- separated by another sidecar's decision, or money is promised twice.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[6])
local id, freshness = ARGV[1], ARGV[5]
local offers = tonumber(ARGV[24])

if ARGV[2] == '1' then
  local record = redis.call('HGET', keys.pending, id) or redis.call('HGET', keys.settled, id)
  if record then
    local known = parse(string.gsub(record, '^%a+\t', '', 1))
    return { REPLAYED, known.answer, known.deadline }
  end
end

local phase, now = phase_of(keys.gate), now_ms()
if phase.revision ~= ARGV[4]
  or (freshness == 'exact' and (redis.call('HGET', keys.arms, 'version') or '0') ~= ARGV[3]) then
  return { STALE, view(keys, now, 26 + 6 * offers) }
end

local function affordable(at)
  local money = accounts(keys.workspace, { keys.level, 'workspace' }, { ARGV[13], ARGV[16] }, now)
  local whole = math.min(available(money[1], ARGV[12], ''), available(money[2], ARGV[15], ''))
  local paced = math.min(available(money[1], ARGV[12], ARGV[14]), available(money[2], ARGV[15], ARGV[17]))
  local admitted = admits(phase, tonumber(ARGV[21]))
  for offer = 0, offers - 1 do
    local at = 26 + 6 * offer
    local least = ARGV[at] == '' and -math.huge or tonumber(ARGV[at])
    if least <= (ARGV[at + 1] == 'pace' and paced or whole) and (admitted or ARGV[at + 5] == '') then
      return offer, at, money
    end
  end
end

-- What is overdue holds money that is free again: where a better offer may depend on it, close that first. Otherwise
-- it has time until statistics are sent next.
local offer, at, money
if freshness == 'any' then offer, at, money = affordable() end
if offer ~= 0 then
  sweep(keys, now, 16, shape_of(ARGV[9], ARGV[10], ARGV[11]))
  offer, at, money = affordable()
end
if not offer and ARGV[25] == '0' then return { SHORT } end
if not offer then
  found(keys, ARGV[6], now)
  redis.call('HINCRBY', keys.arms, 'refused', 1)
  return { REFUSED, now }
end

local arm, ceiling, proposal = ARGV[at + 2], ARGV[at + 3], ARGV[18]
local version, counted = count_decision(keys, arm, proposal, ARGV[19])
if not version then
  found(keys, ARGV[6], now)
  version = '0'
end
redis.call('HSET', keys.arms, unpack(counted))
local deadline, sample = now + tonumber(ARGV[7]), ''
if ARGV[at + 5] == 'sample' then
  local side, share, full_at, lasts = ARGV[20], tonumber(ARGV[21]), tonumber(ARGV[22]), tonumber(ARGV[23])
  local epoch = charge(keys.gate, phase, now, share, tonumber(side), full_at, lasts)
  sample = table.concat({ phase.revision, epoch, side }, ' ')
end
reserve(keys.workspace, money, tonumber(ceiling))
redis.call('HSET', keys.pending, id, packed({
  issued = now, deadline = deadline, ceiling = ceiling, default = ARGV[8], arm = arm, answer = ARGV[at + 4],
  sample = sample, collected = '',
}))
redis.call('ZADD', keys.due, int(deadline), id)
local newer = freshness ~= 'any' and version ~= ARGV[3]
return { ISSUED, offer + 1, deadline, version, newer and view(keys, now, 26 + 6 * offers) or false }
