-- The epochs of the gate's present phase, in the hash `gate`:
--
--   revision          names the phase; whatever begins a new one raises it
--   epoch, folded     numbers of the newest epoch, and of the last one whose sums are in `totals`
--   allowance_micro   what the phase may still lose as of `folded`; absent or '' when nothing bounds it
--   unfolded_ppm      what decisions of epochs not folded yet hold of that, each as a total loss times its share
--   cell:<epoch>      open SPACE count SPACE full_at SPACE ends_at_ms SPACE exposed SPACE sums ...
--
-- A sample, as a decision's record has it, is 'phase epoch side', side 1 if the proposal was executed, and after a
-- partial report that makes a reward also ' sums ...', what that reward adds if no other comes. Sums are rows of whole
-- numbers, worked out in Python and opaque here; one cell's stay below 2^53. They are what rewards added: what the
-- decisions were charged with when they were issued follows from how many there are of each side.

local OPEN_MOST, COUNT_MOST = 16, 1000000
local CELL = '^(%d+) (%d+) (%d+) (%d+) (%d+) ?(.*)$'

local function cell_of(key, number)
  local packed = redis.call('HGET', key, 'cell:' .. number)
  if not packed then return nil end
  local open, count, full_at, ends_at, exposed, sums = string.match(packed, CELL)
  return {
    number = tonumber(number), open = tonumber(open), count = tonumber(count), full_at = tonumber(full_at),
    ends_at = tonumber(ends_at), exposed = tonumber(exposed), sums = sums,
  }
end

local function packed_cell(cell)
  local head = string.format('%d %d %d %d %d', cell.open, cell.count, cell.full_at, cell.ends_at, cell.exposed)
  return cell.sums == '' and head or head .. ' ' .. cell.sums
end

local function added(row, more)
  if row == '' then return more end
  local total, next_of = {}, string.gmatch(more, '%S+')
  for value in string.gmatch(row, '%S+') do total[#total + 1] = int(tonumber(value) + tonumber(next_of())) end
  return table.concat(total, ' ')
end

-- What the gate says of the present phase, read at once; `charge` adds `cell`, the newest epoch's, not written yet.
local function phase_of(key)
  local got = redis.call('HMGET', key, 'revision', 'epoch', 'folded', 'allowance_micro', 'unfolded_ppm')
  return {
    revision = got[1] or '0', epoch = tonumber(got[2] or 1), folded = tonumber(got[3] or 0),
    allowance = tonumber(got[4] or nil), unfolded = tonumber(got[5] or 0),
  }
end

-- Whether the allowance has room for one more exposure; a share of 0 exposes nothing.
local function admits(phase, share)
  return share == 0 or not phase.allowance or phase.unfolded + share <= phase.allowance
end

local function keep_cell(key, phase)
  redis.call('HSET', key, 'cell:' .. phase.epoch, packed_cell(phase.cell))
end

-- Puts one more decision in the newest epoch, or in a new one; returns the epoch's number. It is written for several
-- at once, by `keep_charges`.
local function charge(key, phase, now, share, exposed, full_at, lasts)
  local cell = phase.cell or cell_of(key, phase.epoch)
  if cell and (now >= cell.ends_at
    or cell.count >= cell.full_at and (phase.epoch - phase.folded < OPEN_MOST or cell.count >= COUNT_MOST)) then
    if phase.cell then keep_cell(key, phase) end
    cell, phase.epoch = nil, phase.epoch + 1
  end
  cell = cell or { open = 0, count = 0, full_at = full_at, ends_at = now + lasts, exposed = 0, sums = '' }
  cell.open, cell.count, cell.exposed = cell.open + 1, cell.count + 1, cell.exposed + exposed
  phase.cell, phase.unfolded = cell, phase.unfolded + share
  return phase.epoch
end

local function keep_charges(key, phase)
  if not phase.cell then return end
  keep_cell(key, phase)
  redis.call('HSET', key, 'epoch', phase.epoch, 'unfolded_ppm', int(phase.unfolded))
end

-- Whether the next epoch to fold takes no more decisions and waits for no reward. It also ends when the allowance has no
-- room for another exposure: only folding tells whether there is more.
local function due(key, now)
  local phase = phase_of(key)
  local cell = cell_of(key, phase.folded + 1)
  if not cell or cell.open > 0 then return false end
  return cell.number < phase.epoch or cell.count >= cell.full_at or now >= cell.ends_at
    or not admits(phase, tonumber(redis.call('HGET', key, 'share_ppm') or 0))
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
  redis.call('HSET', key, 'cell:' .. epoch, packed_cell(cell))
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
