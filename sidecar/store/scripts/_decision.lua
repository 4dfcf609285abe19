-- The life of a decision, as strings in two hashes and one sorted set of the domain:
--
--   pending[id]  issued_ms TAB deadline_ms TAB ceiling_nano TAB default_micro TAB arm TAB answer TAB sample TAB
--                collected
--   settled[id]  state TAB (the same record)      state: rewarded, released, expired, late, or paid:
--                                                late, and it told of a cost, which was booked then
--   due[id]      when something is to be done: the deadline while pending, then when to forget
--
-- default_micro is the reward for a decision that never gets one, or empty to learn nothing from it.
-- answer is what Recommend said, opaque here, for replays; with a space behind it once it was said twice.
-- sample is empty, or what makes the decision evidence (`_gate.lua`).
-- collected is empty, or what partial reports brought: reward_micro SPACE reward_sq_nano SPACE cost_nano SPACE
-- latency_us SPACE signals (JSON); a figure that is not known yet is empty.
-- A lease (`lease.lua`) is in `due` as well, as '# lease ' and the sidecar's name, by when it lapses.
-- No name may hold a TAB. '# keep' is a member of every key, so that no key ever disappears: while a slot
-- migrates, Redis refuses a script that names both a key that exists and one that does not.

local KEEP, LEASE = '# keep', '# lease '

local function parse(record)
  local issued, deadline, ceiling, default, arm, answer, sample, collected =
    string.match(record, '^(%d+)\t(%d+)\t(%d+)\t(%d*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
  return {
    issued = tonumber(issued), deadline = tonumber(deadline), ceiling = ceiling, default = default,
    arm = arm, answer = answer, sample = sample, collected = collected,
  }
end

local function packed(decision)
  return table.concat({
    int(decision.issued), int(decision.deadline), decision.ceiling, decision.default, decision.arm,
    decision.answer, decision.sample, decision.collected,
  }, '\t')
end

local function close(keys, id, state, record, now, remember)
  redis.call('HDEL', keys.pending, id)
  redis.call('HSET', keys.settled, id, state .. '\t' .. record)
  redis.call('ZADD', keys.due, int(now + remember), id)
end

-- One more value of a measure: 'mean at_ms v1 v2 ...', the mean exponentially weighted, the last `length` values.
local function slide(key, field, value, now, shape)
  local packed = redis.call('HGET', key, field)
  local mean, values = value, ''
  if packed then
    local old, rest = string.match(packed, '^(%d+) %d+(.*)$')
    mean = old + math.floor((value - old) / shape.ewma + 0.5)
    local _, count = string.gsub(rest, ' ', '')
    values = rest
    for _ = shape.length, count do values = string.gsub(values, '^ %d+', '', 1) end
  end
  redis.call('HSET', key, field, int(mean) .. ' ' .. int(now) .. values .. ' ' .. int(value))
end

-- Adds one reward to an arm. counter is 'count' for a reward that came, 'defaulted' for one that did not.
local function learn(keys, arm, counter, micro, square, cost, latency, now, shape)
  redis.call('HINCRBY', keys.arms, counter .. ':' .. arm, 1)
  redis.call('HINCRBY', keys.arms, 'reward_micro:' .. arm, micro)
  redis.call('HINCRBY', keys.arms, 'reward_sq_nano:' .. arm, square)
  if cost ~= '' then
    redis.call('HINCRBY', keys.arms, 'cost_nano:' .. arm, cost)
    slide(keys.recent, 'cost_nano:' .. arm, tonumber(cost), now, shape)
  end
  if latency ~= '' then slide(keys.recent, 'latency_us:' .. arm, tonumber(latency), now, shape) end
  return redis.call('HINCRBY', keys.arms, 'version', 1)
end

-- The deadline has passed: what was collected counts, else the declared default, else nothing.
-- A late reward is not waited for, so the reservation is given back.
local function expire(keys, id, record, now, shape)
  local decision = parse(record)
  local none = decision.collected == '' and '    ' or decision.collected
  local micro, square, cost, latency = string.match(none, '^(%d*) (%d*) (%d*) (%d*) ')
  if micro == '' and decision.default ~= '' then
    micro = decision.default
    square = int(math.floor((tonumber(micro) * tonumber(micro) + 500) / 1000))
  end
  if micro ~= '' then learn(keys, decision.arm, 'defaulted', micro, square, cost, latency, now, shape) end
  book(keys.workspace, keys.level, now, tonumber(decision.ceiling), tonumber(cost) or 0)
  redis.call('HINCRBY', keys.arms, 'expired', 1)
  resolve(keys.gate, now, decision.sample)
  close(keys, id, 'expired', record, now, shape.remember)
end

local function lease_field(keys, sidecar) return 'lease_nano:' .. keys.level .. '/' .. sidecar end

-- A sidecar has not said for too long what it spent of its lease: all of it counts as spent, since it may be.
local function lapse(keys, member, now)
  local field = lease_field(keys, string.sub(member, #LEASE + 1))
  local held = tonumber(string.match(redis.call('HGET', keys.workspace, field) or '0', '^%d+'))
  book(keys.workspace, keys.level, now, held, held)
  redis.call('HDEL', keys.workspace, field)
  redis.call('ZREM', keys.due, member)
end

-- Expires and forgets at most `most` decisions that are due; returns how many.
local function sweep(keys, now, most, shape)
  local due = redis.call('ZRANGEBYSCORE', keys.due, '-inf', int(now), 'LIMIT', 0, most)
  for _, id in ipairs(due) do
    local record = redis.call('HGET', keys.pending, id)
    if record then
      expire(keys, id, record, now, shape)
    elseif string.sub(id, 1, #LEASE) == LEASE then
      lapse(keys, id, now)
    else
      redis.call('HDEL', keys.settled, id)
      redis.call('ZREM', keys.due, id)
    end
  end
  return #due
end

-- Makes every key of a domain, once, so that none of them ever has to be made later.
local function found(keys, domain, now)
  if redis.call('HEXISTS', keys.arms, 'version') == 1 then return end
  redis.call('HSET', keys.arms, 'version', '0')
  for _, key in ipairs({ keys.recent, keys.pending, keys.settled, keys.checkpoint }) do
    redis.call('HSET', key, KEEP, '1')
  end
  redis.call('ZADD', keys.due, '+inf', KEEP)
  redis.call('HSETNX', keys.gate, 'revision', '0')
  redis.call('HSETNX', keys.workspace, 'domain:' .. domain, int(now))
end

-- Adds to counters of a domain, by field, and makes the domain if it is new; returns the version of its statistics.
local function tally(keys, domain, now, added)
  local fields, counted = {}, {}
  for field, more in pairs(added) do
    if more > 0 then fields[#fields + 1] = field end
  end
  local got = redis.call('HMGET', keys.arms, 'version', unpack(fields))
  if not got[1] then found(keys, domain, now) end
  for number, field in ipairs(fields) do
    counted[2 * number - 1], counted[2 * number] = field, int(tonumber(got[number + 1] or 0) + added[field])
  end
  redis.call('HSET', keys.arms, unpack(counted))
  return got[1] or '0'
end

-- KEYS of one domain by name; every script that changes a domain takes the same eight in this order.
local function domain_keys(keys, domain)
  return {
    arms = keys[1], recent = keys[2], pending = keys[3], due = keys[4], settled = keys[5], gate = keys[6],
    checkpoint = keys[7], workspace = keys[8], level = 'domain/' .. domain,
  }
end

-- How the averages forget and how long closed decisions are remembered, from ARGV.
local function shape_of(ewma, length, remember)
  return { ewma = tonumber(ewma), length = tonumber(length), remember = tonumber(remember) }
end
