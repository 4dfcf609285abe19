-- What a sidecar keeps of a domain: {arms, recent, gate, now_ms, open, whole}, the hashes as flat lists.
-- HGETALL, because HMGET of many fields is quadratic on small hashes. '# keep' is not an open decision. A domain with
-- very many arms is not sent whole, for that would hold everybody up: `whole` is then 0, and of `arms` and `recent`
-- there is only what is not any arm's, and of the arms that ARGV names from `first` on.

local WHOLE_MOST = 1024

-- The fields that are there, with their values. Some at a time: Lua's stack holds only so many arguments.
local function chosen(key, fields)
  local pairs_of = {}
  for from = 1, #fields, 500 do
    local to = math.min(from + 499, #fields)
    for number, value in ipairs(redis.call('HMGET', key, unpack(fields, from, to))) do
      if value then
        pairs_of[#pairs_of + 1] = fields[from + number - 1]
        pairs_of[#pairs_of + 1] = value
      end
    end
  end
  return pairs_of
end

local function with(arms, recent, keys, now, whole)
  local open = math.max(0, redis.call('HLEN', keys.pending) - 1)
  return { arms, recent, redis.call('HGETALL', keys.gate), int(now), open, whole }
end

local function whole_view(keys, now)
  return with(redis.call('HGETALL', keys.arms), redis.call('HGETALL', keys.recent), keys, now, 1)
end

local function view(keys, now, first)
  if redis.call('HLEN', keys.arms) <= WHOLE_MOST then return whole_view(keys, now) end
  local figures, measures = {
    'version', 'decisions', 'applied', 'duplicates', 'late', 'released', 'expired', 'refused', 'shadowed', 'agreed',
  }, { 'delay_ms' }
  local of_arm = { 'pulls:', 'proposed:', 'count:', 'defaulted:', 'reward_micro:', 'reward_sq_nano:', 'cost_nano:' }
  for at = first or #ARGV + 1, #ARGV do
    for _, figure in ipairs(of_arm) do figures[#figures + 1] = figure .. ARGV[at] end
    measures[#measures + 1], measures[#measures + 2] = 'cost_nano:' .. ARGV[at], 'latency_us:' .. ARGV[at]
  end
  return with(chosen(keys.arms, figures), chosen(keys.recent, measures), keys, now, 0)
end
