-- How long a queue is, noted for the minute. Not a script: those whose first line says `-- with note_queue` begin with it.
--   minutes HASH: minute -> `longest taken waited-ms age-ms`   at_ms: now   taken: how many were just taken out, which
--   waited waited_ms in all   age_ms: mean age of those that wait (0 = not looked at)
-- Lua writes whole numbers below 10^14 as they are.
local function note_queue(minutes, queue, at_ms, taken, waited_ms, age_ms)
  local minute = "m" .. math.floor(at_ms / 60000)
  local longest = redis.call("ZCARD", queue) + taken
  local known = redis.call("HGET", minutes, minute)
  if known then
    local most, count, waited, age = string.match(known, "^(%d+) (%d+) (%d+) (%d+)$")
    if taken == 0 and age_ms == 0 and longest <= tonumber(most) then return end
    longest = math.max(longest, most)
    taken, waited_ms, age_ms = taken + count, math.max(0, waited_ms) + waited, math.max(age_ms, age)
  end
  redis.call("HSET", minutes, minute, longest .. " " .. taken .. " " .. math.max(0, waited_ms) .. " " .. math.max(0, age_ms))
end
