-- The epochs of the gate's present phase, in the hash `gate`:
--
--   revision          names the phase; whatever begins a new one raises it
--   epoch, folded     numbers of the newest epoch, and of the last one whose sums are in `totals`
--   allowance_micro   what the phase may still lose as of `folded`; absent or '' when nothing bounds it
--   unfolded_ppm      what decisions of epochs not folded yet hold of that, each as a total loss times its share
--   cell:<epoch>      open SPACE count SPACE full_at SPACE ends_at_ms SPACE sums ...
--
-- A sample, as a decision's record has it, is 'phase epoch side', side 1 if the proposal was executed, and after a
-- partial report that makes a reward also ' sums ...', what that reward adds if no other comes. Sums are rows of whole
-- numbers, worked out in Python and opaque here; one cell's stay below 2^53.

local OPEN_MOST, COUNT_MOST = 16, 1000000

local function cell_of(key, number)
  local packed = redis.call('HGET', key, 'cell:' .. number)
  if not packed then return nil end
  local open, count, full_at, ends_at, sums = string.match(packed, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  return {
    number = tonumber(number), open = tonumber(open), count = tonumber(count), full_at = tonumber(full_at),
    ends_at = tonumber(ends_at), sums = sums,
  }
end

local function put_cell(key, cell)
  redis.call('HSET', key, 'cell:' .. int(cell.number), table.concat({
    int(cell.open), int(cell.count), int(cell.full_at), int(cell.ends_at), cell.sums,
  }, ' '))
end

local function added(row, more)
  local total, next_of = {}, string.gmatch(more, '%S+')
  for value in string.gmatch(row, '%S+') do total[#total + 1] = int(tonumber(value) + tonumber(next_of())) end
  return table.concat(total, ' ')
end

local function numbers(key)
  local got = redis.call('HMGET', key, 'epoch', 'folded')
  return tonumber(got[1] or 1), tonumber(got[2] or 0)
end

-- Whether the allowance has room for one more exposure; a share of 0 exposes nothing.
local function admits(key, share)
  if share == 0 then return true end
  local got = redis.call('HMGET', key, 'allowance_micro', 'unfolded_ppm')
  return not got[1] or got[1] == '' or tonumber(got[2] or 0) + share <= tonumber(got[1])
end

-- Puts one more decision in the newest epoch, or in a new one; returns the epoch's number.
local function charge(key, now, share, sums, full_at, lasts)
  local epoch, folded = numbers(key)
  local cell = cell_of(key, int(epoch))
  if cell and (now >= cell.ends_at
    or cell.count >= cell.full_at and (epoch - folded < OPEN_MOST or cell.count >= COUNT_MOST)) then
    cell, epoch = nil, epoch + 1
  end
  cell = cell or { number = epoch, open = 0, count = 0, full_at = full_at, ends_at = now + lasts }
  cell.open, cell.count = cell.open + 1, cell.count + 1
  cell.sums = cell.sums and added(cell.sums, sums) or sums
  put_cell(key, cell)
  redis.call('HSET', key, 'epoch', int(epoch))
  if share > 0 then redis.call('HINCRBY', key, 'unfolded_ppm', int(share)) end
  return int(epoch)
end

-- Whether the next epoch to fold takes no more decisions and waits for no reward. It also ends when the allowance has no
-- room for another exposure: only folding tells whether there is more.
local function due(key, now)
  local epoch, folded = numbers(key)
  local cell = cell_of(key, int(folded + 1))
  if not cell or cell.open > 0 then return false end
  return cell.number < epoch or cell.count >= cell.full_at or now >= cell.ends_at
    or not admits(key, tonumber(redis.call('HGET', key, 'share_ppm') or 0))
end

-- One decision of the present phase waits no longer. Adds `sums`, or when nil what a partial report left; with nothing
-- to add it stays charged as missing. Returns whether an epoch became due. A decision of an older phase is no evidence.
local function resolve(key, now, sample, sums)
  local phase, epoch, left = string.match(sample, '^(%d+) (%d+) %d ?(.*)$')
  if not phase or phase ~= redis.call('HGET', key, 'revision') then return false end
  local cell = cell_of(key, epoch)
  if not cell then return false end
  cell.open = cell.open - 1
  local more = sums or left
  if more ~= '' then cell.sums = added(cell.sums, more) end
  put_cell(key, cell)
  return due(key, now)
end

-- Begins a new phase: what the old one had not folded is no evidence any more.
local function begin_phase(key)
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 5) == 'cell:' then redis.call('HDEL', key, name) end
  end
  redis.call('HSET', key, 'epoch', '1', 'folded', '0', 'unfolded_ppm', '0')
  return redis.call('HINCRBY', key, 'revision', 1)
end

-- Keeps what was learned, or exchanges it for what was kept: nothing is lost either way.
local function keep(keys) redis.call('COPY', keys.arms, keys.checkpoint, 'REPLACE') end

local function reinstate(keys)
  if redis.call('HEXISTS', keys.checkpoint, 'version') == 0 then return false end
  local version = redis.call('HGET', keys.arms, 'version')
  local now, before = redis.call('DUMP', keys.arms), redis.call('DUMP', keys.checkpoint)
  redis.call('RESTORE', keys.arms, 0, before, 'REPLACE')
  redis.call('RESTORE', keys.checkpoint, 0, now, 'REPLACE')
  redis.call('HSET', keys.arms, 'version', int(tonumber(version) + 1))
  return true
end
