#!lua
-- settle: takes one report of what happened after a decision.
--
-- KEYS  1 arms  2 recent  3 pending  4 due  5 settled  6 gate  7 checkpoint  8 workspace   (of one domain)
-- ARGV  1 domain, a name
--       2 decision id
--       3 '1' if this report is final, '0' if more signals will follow
--       4 what had been collected when this reward was computed, exactly as stored; '' at first
--       5 reward in micro-units  6 its square in nano-units
--       7 cost in nano-dollars or ''  8 latency in microseconds or ''
--       9 the signals as JSON (kept with a partial report)
--       10 EWMA length  11 recent length  12 how long a closed decision is remembered, in ms
--       13 the phase of the gate that 14 and 15 were computed for
--       14 what this reward adds to the sums if the baseline was executed  15 if the proposal was  ('' for no reward)
-- Returns {APPLIED, arm, version, ceiling_nano, recent costs or nil, recent latencies or nil, view if an epoch may be
--         folded or nil}
--         {COLLECTED, arm}   {MERGE, collected}   {DUPLICATE}   {LATE}   {UNKNOWN}
--         {STALE, view}: the decision is evidence in a phase that the caller does not know yet; nothing was written
--
-- Why atomic: the mark that a decision is settled, the statistics and the money must change together, or a
-- crash or a second report in between counts a reward twice or not at all.
-- @include _clock.lua
-- @include _ledger.lua
-- @include _gate.lua
-- @include _decision.lua
-- @include _view.lua

local keys = domain_keys(KEYS, ARGV[1])
local id, cost, latency = ARGV[2], ARGV[7], ARGV[8]
local shape = shape_of(ARGV[10], ARGV[11], ARGV[12])
local report = table.concat({ ARGV[5], ARGV[6], cost, latency, ARGV[9] }, ' ')
local now = now_ms()

local record = redis.call('HGET', keys.pending, id)
if record and parse(record).deadline <= now then
  expire(keys, id, record, now, shape)
  record = nil
end

if not record then
  local closed = redis.call('HGET', keys.settled, id)
  if not closed then return { UNKNOWN } end
  local state, rest = string.match(closed, '^(%a+)\t(.*)$')
  local collected = parse(rest).collected
  -- What was collected before the deadline has counted, so a report that brings nothing else is not late: it is the
  -- second try of one whose answer got lost.
  local counted = state == 'expired' and collected ~= ''
  if counted and collected ~= ARGV[4] then return { MERGE, collected } end
  if state == 'rewarded' or counted and collected == report then
    redis.call('HINCRBY', keys.arms, 'duplicates', 1)
    return { DUPLICATE }
  end
  redis.call('HINCRBY', keys.arms, 'late', 1)
  -- Expired or released: the money was given back, so a cost is booked in full; once, and not if it was collected.
  if state ~= 'paid' and cost ~= '' and not string.match(collected, '^%d* %d* (%d+)') then
    book(keys.workspace, keys.level, now, 0, tonumber(cost))
    state = 'paid'
  end
  redis.call('HSET', keys.settled, id, (state == 'paid' and 'paid' or 'late') .. '\t' .. rest)
  return { LATE }
end

local decision = parse(record)
if decision.collected ~= ARGV[4] then return { MERGE, decision.collected } end
local sample, phase, side = string.match(decision.sample, '^((%d+) %d+ (%d))')
local evidence = side == '1' and ARGV[15] or ARGV[14]
if phase and phase ~= ARGV[13] and phase == redis.call('HGET', keys.gate, 'revision') then
  return { STALE, view(keys, now) }
end
if ARGV[3] == '0' then
  decision.collected = report
  if sample then decision.sample = evidence == '' and sample or sample .. ' ' .. evidence end
  redis.call('HSET', keys.pending, id, packed(decision))
  return { COLLECTED, decision.arm }
end

local version = learn(keys, decision.arm, 'count', ARGV[5], ARGV[6], cost, latency, now, shape)
-- A call whose cost nobody told is booked at its ceiling: money is never lost, only overestimated.
book(keys.workspace, keys.level, now, tonumber(decision.ceiling), tonumber(cost ~= '' and cost or decision.ceiling))
redis.call('HINCRBY', keys.arms, 'applied', 1)
slide(keys.recent, 'delay_ms', math.max(0, now - decision.issued), now, shape) -- another server's clock may lag
local folds = resolve(keys.gate, now, decision.sample, evidence)
close(keys, id, 'rewarded', record, now, shape.remember)
return {
  APPLIED, decision.arm, version, decision.ceiling,
  redis.call('HGET', keys.recent, 'cost_nano:' .. decision.arm),
  redis.call('HGET', keys.recent, 'latency_us:' .. decision.arm),
  folds and view(keys, now),
}
