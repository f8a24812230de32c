-- Put a worker's sample behind those of the same hour.
--   KEYS[1] the hour's samples STRING   KEYS[2] history HASH   KEYS[3] workers with a history ZSET
--   ARGV[1] sample   ARGV[2] the hour's samples have at most so many bytes   ARGV[3] the hour's field in the history
--   ARGV[4] now, ms since epoch   ARGV[5] expiry, ms   ARGV[6] worker key   ARGV[7] worker name
-- Returns 1 when it is the first of its hour, else 0.
local size = redis.call("STRLEN", KEYS[1])
if size + #ARGV[1] <= tonumber(ARGV[2]) then redis.call("APPEND", KEYS[1], ARGV[1]) end
redis.call("ZADD", KEYS[3], ARGV[4], ARGV[6])
if size > 0 then return 0 end
redis.call("HSET", KEYS[2], ARGV[3], "", "worker", ARGV[7])
redis.call("PEXPIRE", KEYS[1], ARGV[5])
redis.call("PEXPIRE", KEYS[2], ARGV[5])
return 1
