#!lua
-- recommend: issues decisions from one menu, one after the other, or says of each why not.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  the menu:
--       1 domain, a name
--       2 how long the reward may take, in ms
--       3 the reward in micro-units if none comes, or ''
--       4 EWMA length  5 recent length  6 how long a closed decision is remembered, in ms
--       7 domain limit in nano-dollars or ''  8 its window  9 its pace in nano-dollars a decision or ''
--       10 workspace limit or ''  11 its window  12 its pace or ''
--       13 the arm that the policy proposes, or ''  14 '1' if that is the baseline
--       15 whether a sample executes the proposal, '1' or '0'  16 its share in parts per million
--       17 so many decisions fill an epoch  18 so long an epoch lasts, in ms
--       19 how many offers follow  20 '1' if they are all, '0' if cheaper ones were left out
--       21 and more: offers, dearest first, six arguments for each: least money that must be available (or '' if none need
--          be), whether the limit counts as paced or as a whole ('pace' or 'limit'), arm, ceiling in nano-dollars,
--          answer (opaque), and what the gate says: 'sample' if the decision is one, 'room' if it is none, but made
--          as if an exposure were possible, or ''. The first two are skipped when the allowance has no room for one.
--       then what the caller knows:
--       the version of the statistics that the offers were made on, the revision of the control that they were made
--       under, and freshness: 'any', 'refresh' (send newer statistics along) or 'exact' (refuse if there are newer ones)
--       then what is said again to ids that are known: 'nothing' (they were made for this call), 'kept' (decisions
--       that were not released) or 'all', how many ids follow, and the ids
--       then the arms that statistics are wanted of, where a domain has too many to send all (`_view.lua`)
-- Returns {version, deadline_ms, view or nil, outcomes}: the view if statistics are newer and were asked for, or if an
--         outcome is STALE, and for each id in order the number of the offer from 1 that was issued, or
--         {REPLAYED, answer, deadline_ms}   {STALE}   {REFUSED}
--         {SHORT}: none of these offers is affordable; nothing was issued
--
-- Why atomic: knowing an id, checking every budget level, reserving, and recording the decision must not be
-- separated by another sidecar's decision, or money is promised twice. Several at once, because most of what one takes
-- can be shared: it is as if they had been asked for one after the other at one instant.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys, shape = domain_keys(KEYS, ARGV[1]), shape_of(ARGV[4], ARGV[5], ARGV[6])
local share, offers = tonumber(ARGV[16]), tonumber(ARGV[19])
local known = 21 + 6 * offers -- where ARGV has what the caller knows
local version, freshness, recalls = ARGV[known], ARGV[known + 2], ARGV[known + 3]
local ids, count = known + 4, tonumber(ARGV[known + 4])
local now = now_ms()
local deadline = int(now + tonumber(ARGV[2]))
local outcomes, answers, released, again = {}, {}, {}, {}

local function answered(newer) return { version, deadline, newer and view(keys, now, ids + count + 1), outcomes } end

-- An answer that was given twice has a space behind it: the call that failed must not take back what another one now has.
local function give_again(id, decision)
  if string.sub(decision.answer, -1) == ' ' then return end
  decision.answer = decision.answer .. ' '
  redis.call('HSET', keys.pending, id, packed(decision))
end

-- Says again what was said to ids that are known; returns how many there are. One that was released is decided anew,
-- unless it is put back by somebody who may not know that.
local function recall()
  local recalled = 0
  local open = redis.call('HMGET', keys.pending, unpack(ARGV, ids + 1, ids + count))
  local closed = redis.call('HMGET', keys.settled, unpack(ARGV, ids + 1, ids + count))
  for number = 1, count do
    local record = open[number] or closed[number]
    if record and recalls ~= 'all' and string.sub(record, 1, 9) == 'released\t' then
      released[ARGV[ids + number]] = true
    elseif record then
      local decision = parse(string.gsub(record, '^%a+\t', '', 1))
      outcomes[number], recalled = { REPLAYED, decision.answer, decision.deadline }, recalled + 1
      if open[number] then give_again(ARGV[ids + number], decision) end
    end
  end
  return recalled
end

-- Whether what the caller knows is out of date; then no decision is made on it.
local function stale(revision)
  local exact = freshness == 'exact' and (redis.call('HGET', keys.arms, 'version') or '0') ~= version
  if revision == ARGV[known + 1] and not exact then return false end
  for number = 1, count do outcomes[number] = outcomes[number] or { STALE } end
  return true
end

-- The first offer that the money and the gate's allowance have room for.
local function affordable(phase, money)
  local whole = math.min(available(money[1], ARGV[7], ''), available(money[2], ARGV[10], ''))
  local paced = math.min(available(money[1], ARGV[7], ARGV[9]), available(money[2], ARGV[10], ARGV[12]))
  local admitted = admits(phase, share)
  for offer = 1, offers do
    local at = 21 + 6 * (offer - 1)
    local least = ARGV[at] == '' and -math.huge or tonumber(ARGV[at])
    if least <= (ARGV[at + 1] == 'pace' and paced or whole) and (admitted or ARGV[at + 5] == '') then return offer end
  end
end

-- Decisions that are being made, to be written together.
local function nothing_yet(phase)
  local money = accounts(keys.workspace, { keys.level, 'workspace' }, { ARGV[8], ARGV[11] }, now)
  return { phase = phase, money = money, records = {}, due = {}, from = {}, refused = 0 }
end

local function issue(made, id, offer)
  local at, sample = 21 + 6 * (offer - 1), ''
  if ARGV[at + 5] == 'sample' then
    local epoch = charge(keys.gate, made.phase, now, share, tonumber(ARGV[15]), tonumber(ARGV[17]), tonumber(ARGV[18]))
    sample = table.concat({ made.phase.revision, epoch, ARGV[15] }, ' ')
  end
  hold(made.money, tonumber(ARGV[at + 3]))
  if released[id] then redis.call('HDEL', keys.settled, id) end
  local records, due = made.records, made.due
  records[#records + 1] = id
  records[#records + 1] = table.concat({
    int(now), deadline, ARGV[at + 3], ARGV[3], ARGV[at + 2], ARGV[at + 4], sample, '',
  }, '\t')
  due[#due + 1] = deadline
  due[#due + 1] = id
  answers[id] = ARGV[at + 4]
  made.from[offer] = (made.from[offer] or 0) + 1
end

local function outcome_of(made, id, offer)
  if offer then
    issue(made, id, offer)
    return offer
  end
  if ARGV[20] == '0' then return { SHORT } end
  made.refused = made.refused + 1
  return { REFUSED }
end

local function write(made)
  local issued = #made.due / 2
  local added = { decisions = issued, refused = made.refused }
  for offer, several in pairs(made.from) do
    local pulls = 'pulls:' .. ARGV[23 + 6 * (offer - 1)]
    added[pulls] = (added[pulls] or 0) + several
  end
  if ARGV[13] ~= '' then
    added.shadowed, added['proposed:' .. ARGV[13]], added.agreed = issued, issued, ARGV[14] == '1' and issued or 0
  end
  if issued + made.refused == 0 then return end
  version = tally(keys, ARGV[1], now, added)
  if issued == 0 then return end
  keep_charges(keys.gate, made.phase)
  reserve(keys.workspace, made.money)
  redis.call('HSET', keys.pending, unpack(made.records))
  redis.call('ZADD', keys.due, unpack(made.due))
end

-- Decides from the given one on, unless `swept` until one may depend on what is overdue. Returns where that was.
local function decide(from, phase, swept)
  local made, number = nothing_yet(phase), from
  while number <= count do
    local id = ARGV[ids + number]
    if answers[id] then
      outcomes[number] = { REPLAYED, answers[id], deadline } -- the same id twice
      again[#again + 1] = id
    elseif not outcomes[number] then
      local offer = affordable(phase, made.money)
      if offer ~= 1 and not swept then break end
      outcomes[number] = outcome_of(made, id, offer)
    end
    number = number + 1
  end
  write(made)
  return number
end

if recalls ~= 'nothing' and recall() == count then return answered(false) end
local phase = phase_of(keys.gate)
if stale(phase.revision) then return answered(true) end

-- What is overdue holds money that is free again: where a better offer may depend on it, close that first. Otherwise
-- it has time until statistics are sent next.
local from = freshness == 'any' and decide(1, phase, false) or 1
if from <= count then
  sweep(keys, now, 16, shape)
  decide(from, phase_of(keys.gate), true)
end
for _, id in ipairs(again) do
  local record = redis.call('HGET', keys.pending, id)
  if record then give_again(id, parse(record)) end
end
return answered(freshness ~= 'any' and version ~= ARGV[known])
