-- What a sidecar keeps of a domain: {arms, recent, gate, now_ms, open}, the hashes as flat lists.
-- HGETALL, because HMGET of many fields is quadratic on small hashes. '# keep' is not an open decision.

local function view(keys, now)
  return {
    redis.call('HGETALL', keys.arms), redis.call('HGETALL', keys.recent), redis.call('HGETALL', keys.gate),
    int(now), math.max(0, redis.call('HLEN', keys.pending) - 1),
  }
end
