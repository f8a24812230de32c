-- with note_queue
-- Note that tasks go on waiting in a queue, or that it has just become empty.
--   KEYS[1] minutes HASH   KEYS[2] queue ZSET
--   ARGV[1] now, ms since the epoch   ARGV[2] mean age of those that wait, ms
local before = redis.call("HGET", KEYS[1], string.format("m%.0f", math.floor(ARGV[1] / 60000) - 1))
if redis.call("ZCARD", KEYS[2]) > 0 or (before and string.sub(before, 1, 2) ~= "0 ") then
  note_queue(KEYS[1], KEYS[2], ARGV[1], 0, 0, ARGV[2])
end
