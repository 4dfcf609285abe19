-- Time and numbers. Redis TIME is the only clock of the state; a Lua number is printed as an integer,
-- since 1e8 may otherwise come out as 1e+08 and be refused by HINCRBY, as would be -0.

local function int(number)
  return string.format('%d', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
