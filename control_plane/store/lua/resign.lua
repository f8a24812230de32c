-- Stop leading the watchdogs, so that another replica need not wait for the lock to expire.
--   KEYS[1] lock   STRING: id of the leader
--   ARGV[1] id of who resigns
-- Returns 1 when it was the leader, else 0.
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0
