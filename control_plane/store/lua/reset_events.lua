-- Begin a new generation of a task's events; what is written under an older one is refused from now on.
--   KEYS[1] meta HASH (gen, seq)   KEYS[2] parts ZSET   KEYS[3] part results HASH
-- Returns {the old generation, the new sequence}.
local generation = redis.call("HINCRBY", KEYS[1], "gen", 1)
redis.call("DEL", KEYS[2], KEYS[3])
return { generation - 1, redis.call("HINCRBY", KEYS[1], "seq", 1) }
