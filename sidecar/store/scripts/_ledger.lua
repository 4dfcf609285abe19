-- The money of a workspace: one hash, and in it one account for each level ('workspace', 'domain/<name>').
--
--   window:<level>         which window the figures are of: 'total', 'hour/495123', 'day/20630', 'month/24323'
--   spent_nano:<level>     settled in this window
--   reserved_nano:<level>  held by open decisions, whichever window they began in
--   overrun_nano:<level>   the part of spent that went beyond reservations
--   decisions:<level>      issued in this window
--
-- A reservation is spent in the window in which it settles, so `spent + reserved <= limit` needs no memory
-- of windows past. Sums are exact: every figure stays below 2^53.

local MS = { hour = 3600000, day = 86400000 }

-- 12 * year + month, from days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
local function month_number(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  return (yoe + era * 400) * 12 + math.floor((5 * doy + 2) / 153) + 3
end

local function window_id(kind, now)
  if MS[kind] then return kind .. '/' .. int(math.floor(now / MS[kind])) end
  if kind == 'month' then return 'month/' .. int(month_number(math.floor(now / MS.day))) end
  return 'total'
end

-- Accounts of several levels as of now, in order: a window that has turned reads as empty. Writes nothing.
-- kinds has the window that each level is declared with; without one it stays what it is.
local function accounts(key, levels, kinds, now)
  local fields = {}
  for _, level in ipairs(levels) do
    local n = #fields
    fields[n + 1], fields[n + 2] = 'window:' .. level, 'spent_nano:' .. level
    fields[n + 3], fields[n + 4] = 'reserved_nano:' .. level, 'decisions:' .. level
  end
  local got, found = redis.call('HMGET', key, unpack(fields)), {}
  for number, level in ipairs(levels) do
    local at = 4 * number
    local current = got[at - 3] or 'total'
    local window = window_id(kinds[number] or string.match(current, '^%a+'), now)
    local turned = window ~= current
    found[number] = {
      level = level, window = window, turned = turned,
      spent = turned and 0 or tonumber(got[at - 2] or 0),
      reserved = tonumber(got[at - 1] or 0),
      decisions = turned and 0 or tonumber(got[at] or 0),
    }
  end
  return found
end

-- What one more decision may reserve at this level: less than nothing after an overrun.
local function available(acc, limit, pace)
  if limit == '' then return math.huge end
  local ceiling = tonumber(limit)
  if pace ~= '' then ceiling = math.min(ceiling, tonumber(pace) * (acc.decisions + 1)) end
  return ceiling - acc.spent - acc.reserved
end

local function turn(key, acc)
  if not acc.turned then return end
  redis.call('HSET', key, 'window:' .. acc.level, acc.window, 'spent_nano:' .. acc.level, '0',
    'overrun_nano:' .. acc.level, '0', 'decisions:' .. acc.level, '0')
end

-- Takes the same for one more decision from several accounts; `reserve` writes it, for however many.
local function hold(several, ceiling)
  for _, acc in ipairs(several) do
    acc.decisions, acc.reserved = acc.decisions + 1, acc.reserved + ceiling
  end
end

local function reserve(key, several)
  local fields = {}
  for _, acc in ipairs(several) do
    turn(key, acc)
    local n = #fields
    fields[n + 1], fields[n + 2] = 'decisions:' .. acc.level, int(acc.decisions)
    fields[n + 3], fields[n + 4] = 'reserved_nano:' .. acc.level, int(acc.reserved)
  end
  redis.call('HSET', key, unpack(fields))
end

-- Gives a reservation back and books what was really paid, at both levels.
local function book(key, domain_level, now, reservation, paid)
  if reservation == 0 and paid == 0 then return end
  for _, acc in ipairs(accounts(key, { domain_level, 'workspace' }, {}, now)) do
    turn(key, acc)
    if reservation > 0 then redis.call('HINCRBY', key, 'reserved_nano:' .. acc.level, int(-reservation)) end
    if paid > 0 then redis.call('HINCRBY', key, 'spent_nano:' .. acc.level, int(paid)) end
    if paid > reservation then redis.call('HINCRBY', key, 'overrun_nano:' .. acc.level, int(paid - reservation)) end
  end
end
