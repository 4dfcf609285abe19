#!lua flags=no-writes
-- snapshot: reads a whole workspace at one instant, for snapshots and for status.
--
-- KEYS  1 workspace, then for each domain eight: arms, recent, pending, due, settled, gate, checkpoint, workspace
-- ARGV  the domains' names, in the same order
-- Returns {READ, now_ms, workspace, {view of a domain, ...}}, or {CHANGED, workspace} when the workspace has other
--         domains than those named: read again with these.
--
-- Why atomic: arms, money and modes of all domains must be of one instant to add up.
-- @include _clock.lua
-- @include _view.lua

local workspace = redis.call('HGETALL', KEYS[1])
local known, domains = {}, 0
for at = 1, #workspace, 2 do
  if string.sub(workspace[at], 1, 7) == 'domain:' then
    known[string.sub(workspace[at], 8)] = true
    domains = domains + 1
  end
end
if domains ~= #ARGV then return { CHANGED, workspace } end
for _, name in ipairs(ARGV) do
  if not known[name] then return { CHANGED, workspace } end
end

local now = now_ms()
local views = {}
for number = 1, #ARGV do
  local at = 8 * number - 6
  views[number] = whole_view({ arms = KEYS[at], recent = KEYS[at + 1], pending = KEYS[at + 2], gate = KEYS[at + 5] }, now)
end
return { READ, int(now), workspace, views }
