-- Put a worker's sample behind those of the same hour.
--   KEYS[1] history HASH   KEYS[2] workers with a history ZSET
--   ARGV[1] the hour's field   ARGV[2] sample   ARGV[3] the hour's samples have at most so many bytes
--   ARGV[4] now, ms since epoch   ARGV[5] expiry, ms   ARGV[6] worker key   ARGV[7] worker name
-- Returns 1 when it is the first of its hour, else 0.
local known = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if #known + #ARGV[2] <= tonumber(ARGV[3]) then
  redis.call("HSET", KEYS[1], ARGV[1], known .. ARGV[2], "worker", ARGV[7])
end
redis.call("PEXPIRE", KEYS[1], ARGV[5])
redis.call("ZADD", KEYS[2], ARGV[4], ARGV[6])
return known == "" and 1 or 0
