-- Return a task that was popped and not started to the head of its queue.
--   KEYS[1] change counter STRING   KEYS[2] change stream STREAM   KEYS[3] entries HASH   KEYS[4] in flight ZSET
--   KEYS[5] flights HASH   KEYS[6] the task's core HASH   KEYS[7] the queue's core HASH   KEYS[8] the queue ZSET
--   ARGV[1] task   ARGV[2] its flight, exactly   ARGV[3] queue   ARGV[4] added, ms   ARGV[5] transaction id
--   ARGV[6] only if its deadline is not after this, ms ("" = at once)   ARGV[7] entries to keep in the stream
-- Returns "returned", "gone" (another flight, or not due), "started" (no longer waiting for a worker), "deleted" (the
-- task is gone) or "no queue" (the queue is gone; the task has left flight).

if redis.call("HGET", KEYS[5], ARGV[1]) ~= ARGV[2] then return "gone" end
if ARGV[6] ~= "" then
  local deadline = redis.call("ZSCORE", KEYS[4], ARGV[1])
  if deadline and tonumber(deadline) > tonumber(ARGV[6]) then return "gone" end
end
redis.call("ZREM", KEYS[4], ARGV[1])
redis.call("HDEL", KEYS[5], ARGV[1])
local status = redis.call("HGET", KEYS[6], "status")
if not status then return "deleted" end
if status ~= '"queued"' and status ~= '"created"' then return "started" end
if redis.call("HEXISTS", KEYS[3], ARGV[1]) == 1 then return "gone" end
if redis.call("EXISTS", KEYS[7]) == 0 then return "no queue" end

local first = redis.call("ZRANGE", KEYS[8], 0, 0, "WITHSCORES")
local score = first[2] and tonumber(first[2]) - 1 or 0
redis.call("ZADD", KEYS[8], string.format("%.17g", score), ARGV[1])
redis.call("HSET", KEYS[3], ARGV[1], ARGV[3] .. " " .. ARGV[4])
local change = redis.call("INCR", KEYS[1])
redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[7], change .. "-0", "t", ARGV[5], "c", "queue\0" .. ARGV[3])
return "returned"
