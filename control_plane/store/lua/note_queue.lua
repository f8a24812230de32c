-- How long a queue is, noted for the minute. Not a script: those whose first line says `-- with note_queue` begin with it.
--   minutes HASH: minute -> `longest taken waited-ms age-ms`   at_ms: now   taken: how many were just taken out, which
--   waited waited_ms in all   age_ms: mean age of those that wait (0 = not looked at)
local function note_queue(minutes, queue, at_ms, taken, waited_ms, age_ms)
  local minute = string.format("m%.0f", math.floor(at_ms / 60000))
  local longest, count, waited, age = 0, 0, 0, 0
  local known = redis.call("HGET", minutes, minute)
  if known then longest, count, waited, age = string.match(known, "^(%d+) (%d+) (%d+) (%d+)$") end
  longest = math.max(longest, redis.call("ZCARD", queue) + taken)
  waited, age = waited + math.max(0, waited_ms), math.max(age, age_ms)
  redis.call("HSET", minutes, minute, string.format("%.0f %.0f %.0f %.0f", longest, count + taken, waited, age))
end
