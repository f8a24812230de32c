-- Become or stay the leader of the watchdogs.
--   KEYS[1] lock   STRING with expiry: id of the leader
--   KEYS[2] watch  HASH: at = when a leader last finished a round, since = when the present watch began; ms since epoch
--   ARGV[1] id of who asks     ARGV[2] how long the lock is held, ms
-- Returns {1 when it leads else 0, at, since}; the two are "" before the first round.
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return {0, "", ""} end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
local times = redis.call("HMGET", KEYS[2], "at", "since")
return {1, times[1] or "", times[2] or ""}
