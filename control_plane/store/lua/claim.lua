-- with note_queue
-- Take the next tasks of several queues, each under a new claim and a deadline to start.
--   KEYS[1] entries HASH   KEYS[2] in flight ZSET   KEYS[3] flights HASH   KEYS[4] claims HASH   KEYS[5] cursor STRING
--   KEYS[6] held HASH      KEYS[7] leases ZSET    KEYS[8] the call's note HASH    KEYS[9...] queues ZSET
--   then their minutes HASH, in the same order
--   ARGV[1] now, ms since the epoch    ARGV[2] time to start, ms    ARGV[3] worker    ARGV[4] how many at most
--   ARGV[5] "fair" = one queue after the other, from the cursor; "priority" = the first that has any
--   ARGV[6] expiry of cursor, ms    ARGV[7] expiry of held, ms (0 = the worker holds no leases)
--   ARGV[8] "" = no note; "note" = a repeat of the call will get what is taken here, while it is not started; "repeat" =
--   and this may be such a repeat; "new" = and it is none, unless of this try itself. The note (task -> flight) lasts ARGV[2]
--   ARGV[9] the stamp of the note: its field @    ARGV[10], ARGV[11] what stands before and after the id in a task's key:
--   which tasks there will be is not known beforehand    ARGV[12...] queue ids, as KEYS[9...]
-- Returns a flat list: task, queue, claim, added-ms, the leaf of its status ("" = there is no such task); task, ...

local deadline = string.format("%.0f", ARGV[1] + ARGV[2])
local taken = {}

local function give(task, queue, claim, added)
  redis.call("ZADD", KEYS[2], deadline, task)
  if ARGV[7] ~= "0" then
    redis.call("HSET", KEYS[6], task, claim .. " " .. ARGV[1])
    redis.call("ZADD", KEYS[7], deadline, task)
    redis.call("PEXPIRE", KEYS[6], ARGV[7])
  end
  if ARGV[8] ~= "" then
    redis.call("HSET", KEYS[8], "@", ARGV[9])
    redis.call("PEXPIRE", KEYS[8], ARGV[2])
  end
  local status = redis.call("HGET", ARGV[10] .. task .. ARGV[11], "status") or ""
  for _, word in ipairs({ task, queue, claim, added, status }) do taken[#taken + 1] = word end
end

local is_repeat = ARGV[8] == "repeat"
if ARGV[8] == "new" then
  -- The client had its answer. Only the lost try of this very call, before its connection to Redis broke, counts.
  is_repeat = redis.call("HGET", KEYS[8], "@") == ARGV[9]
  if not is_repeat then redis.call("UNLINK", KEYS[8]) end
end
if is_repeat then
  local before, again = redis.call("HGETALL", KEYS[8]), {}
  for i = 1, #before, 2 do
    local task, flight = before[i], before[i + 1]
    if redis.call("HGET", KEYS[3], task) == flight then
      local queue, claim, added = string.match(flight, "^(%S+) (%d+) (%d+) ")
      again[#again + 1] = { task, queue, claim, added }
    end
  end
  table.sort(again, function(a, b)
    if a[4] ~= b[4] then return tonumber(a[4]) < tonumber(b[4]) end
    return a[1] < b[1]
  end)
  for _, one in ipairs(again) do give(unpack(one)) end
  if #taken > 0 then return taken end
end

local queues = (#KEYS - 8) / 2
local at, fair = 0, ARGV[5] == "fair"
if fair then
  local last = redis.call("GET", KEYS[5])
  for i = 1, queues do
    if ARGV[11 + i] == last then at = i end
  end
end

local empty, most = 0, tonumber(ARGV[4])
while #taken < most * 5 and empty < queues do
  local i = at % queues + 1
  local popped = redis.call("ZPOPMIN", KEYS[8 + i])
  if popped[1] then
    local task, queue = popped[1], ARGV[11 + i]
    local added = string.match(redis.call("HGET", KEYS[1], task) or "", " (%d+)$") or ARGV[1]
    local claim = redis.call("HINCRBY", KEYS[4], task, 1)
    redis.call("HDEL", KEYS[1], task)
    local flight = queue .. " " .. claim .. " " .. added .. " " .. ARGV[3]
    redis.call("HSET", KEYS[3], task, flight)
    note_queue(KEYS[8 + queues + i], KEYS[8 + i], ARGV[1], 1, ARGV[1] - added, 0)
    if ARGV[8] ~= "" then redis.call("HSET", KEYS[8], task, flight) end
    give(task, queue, claim, added)
    empty = 0
    if fair then
      redis.call("SET", KEYS[5], queue, "PX", ARGV[6])
      at = at + 1
    end
  else
    empty, at = empty + 1, at + 1
  end
end
return taken
