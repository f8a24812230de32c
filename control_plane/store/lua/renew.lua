-- Prolong what an agent answers for.
--   KEYS[1] claims HASH   KEYS[2] leases ZSET   KEYS[3] in flight ZSET   KEYS[4] held HASH
--   ARGV[1] deadline, ms since the epoch    ARGV[2] now, ms    ARGV[3] expiry of held, ms
--   ARGV[4] leases that ended before this are forgotten, ms    ARGV[5...] task, claim, task, claim, ...
-- Returns the tasks whose claim is over, each followed by the claim that holds now ("" = none).

local lost = {}
redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", "(" .. ARGV[4])
for i = 5, #ARGV, 2 do
  local task, claim = ARGV[i], ARGV[i + 1]
  local current = redis.call("HGET", KEYS[1], task)
  if current == claim then
    redis.call("ZADD", KEYS[2], ARGV[1], task)
    redis.call("ZADD", KEYS[3], "XX", "GT", ARGV[1], task)
    redis.call("HSET", KEYS[4], task, claim .. " " .. ARGV[2])
  else
    redis.call("HDEL", KEYS[4], task)
    lost[#lost + 1] = task
    lost[#lost + 1] = current or ""
  end
end
redis.call("PEXPIRE", KEYS[4], ARGV[3])
return lost
