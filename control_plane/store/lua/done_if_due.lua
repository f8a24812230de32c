-- Forget that something is due, unless it became due at another time meanwhile.
--   KEYS[1] ZSET of due times   ARGV[1] member   ARGV[2] the time it was due
local due = redis.call("ZSCORE", KEYS[1], ARGV[1])
if due and tonumber(due) == tonumber(ARGV[2]) then return redis.call("ZREM", KEYS[1], ARGV[1]) end
return 0
