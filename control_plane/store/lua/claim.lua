-- Take the next tasks of several queues, each under a new claim and a deadline to start.
--   KEYS[1] entries HASH   KEYS[2] in flight ZSET   KEYS[3] flights HASH   KEYS[4] claims HASH   KEYS[5] cursor STRING
--   KEYS[6] held HASH      KEYS[7] leases ZSET    KEYS[8...] queues ZSET
--   ARGV[1] now, ms since the epoch    ARGV[2] time to start, ms    ARGV[3] worker    ARGV[4] how many at most
--   ARGV[5] "fair" = one queue after the other, from the cursor; "priority" = the first that has any
--   ARGV[6] expiry of cursor, ms    ARGV[7] expiry of held, ms (0 = the worker holds no leases)
--   ARGV[8...] queue ids, as KEYS[8...]
-- Returns a flat list: task, queue, claim, added-ms; task, ...

local queues, taken = #KEYS - 7, {}
local at, fair = 0, ARGV[5] == "fair"
if fair then
  local last = redis.call("GET", KEYS[5])
  for i = 1, queues do
    if ARGV[7 + i] == last then at = i end
  end
end

local empty, most = 0, tonumber(ARGV[4])
while #taken < most * 4 and empty < queues do
  local i = at % queues + 1
  local popped = redis.call("ZPOPMIN", KEYS[7 + i])
  if popped[1] then
    local task, queue = popped[1], ARGV[7 + i]
    local added = string.match(redis.call("HGET", KEYS[1], task) or "", " (%d+)$") or ARGV[1]
    local claim = redis.call("HINCRBY", KEYS[4], task, 1)
    redis.call("HDEL", KEYS[1], task)
    redis.call("ZADD", KEYS[2], string.format("%.0f", ARGV[1] + ARGV[2]), task)
    redis.call("HSET", KEYS[3], task, queue .. " " .. claim .. " " .. added .. " " .. ARGV[3])
    if ARGV[7] ~= "0" then
      redis.call("HSET", KEYS[6], task, claim .. " " .. ARGV[1])
      redis.call("ZADD", KEYS[7], string.format("%.0f", ARGV[1] + ARGV[2]), task)
    end
    taken[#taken + 1] = task
    taken[#taken + 1] = queue
    taken[#taken + 1] = claim
    taken[#taken + 1] = added
    empty = 0
    if fair then
      redis.call("SET", KEYS[5], queue, "PX", ARGV[6])
      at = at + 1
    end
  else
    empty, at = empty + 1, at + 1
  end
end
if #taken > 0 and ARGV[7] ~= "0" then redis.call("PEXPIRE", KEYS[6], ARGV[7]) end
return taken
