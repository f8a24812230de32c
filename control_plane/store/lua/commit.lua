-- with note_queue
-- Check conditions, then write: all or nothing.
--   KEYS[1] change counter STRING    KEYS[2] change stream STREAM    KEYS[3...] whatever the operations name
--   ARGV[1] transaction id    ARGV[2] "1" = this may be a repeat    ARGV[3] what changed ("" = nothing tracked)
--   ARGV[4] entries to keep in the stream    ARGV[5] a change older than the first try (where a repeat looks for itself)
--   ARGV[6...] operations, conditions first: name, index of the key in KEYS, number of arguments, arguments
-- Returns {0, change number} (0 when nothing tracked changed), or {1, index of the failed condition from 1, what was found}.

local function exact(number) return string.format("%.17g", number) end

-- Put a task at one end of a queue.   args: task, "head"|"tail", entries key, entry
local function enqueue(key, from)
  local task, at_head = ARGV[from], ARGV[from + 1] == "head"
  local edge = redis.call(at_head and "ZRANGE" or "ZREVRANGE", key, 0, 0, "WITHSCORES")
  local score = 0
  if edge[2] then score = tonumber(edge[2]) + (at_head and -1 or 1) end
  redis.call("ZADD", key, exact(score), task)
  redis.call("HSET", KEYS[tonumber(ARGV[from + 2])], task, ARGV[from + 3])
end

-- Remove the fields that start with a prefix.   args: prefix
local function clear(key, from)
  local prefix, doomed = ARGV[from], {}
  for _, field in ipairs(redis.call("HKEYS", key)) do
    if string.sub(field, 1, #prefix) == prefix then doomed[#doomed + 1] = field end
  end
  for first = 1, #doomed, 500 do
    redis.call("HDEL", key, unpack(doomed, first, math.min(first + 499, #doomed)))
  end
end

-- Note how long a queue is.   args: index of the queue's key, now
local function note(key, from)
  note_queue(key, KEYS[tonumber(ARGV[from])], ARGV[from + 1], 0, 0, 0)
end

-- Forget parts of batches that were stored long ago (ZSET of times).   args: index of the key of their results, before
local function forget(key, from)
  local old = redis.call("ZRANGEBYSCORE", key, "-inf", ARGV[from + 1], "LIMIT", 0, 100)
  if #old > 0 then
    redis.call("ZREM", key, unpack(old))
    redis.call("HDEL", KEYS[tonumber(ARGV[from])], unpack(old))
  end
end

local writes = { enqueue = enqueue, clear = clear, note = note, forget = forget }

-- Conditions return nil when they hold, else {what was found or false}.
local conditions = {
  ["?equals"] = function(key, from, count)  -- args: field, one or more allowed values
    local found = redis.call("HGET", key, ARGV[from])
    for i = from + 1, from + count - 1 do
      if found == ARGV[i] then return nil end
    end
    return { found }
  end,
  ["?missing"] = function(key, from)  -- args: field
    local found = redis.call("HGET", key, ARGV[from])
    if found then return { found } end
  end,
  ["?count"] = function(key, from)  -- args: field, what it counts up to; none yet is 0
    local found = redis.call("HGET", key, ARGV[from]) or "0"
    if found ~= ARGV[from + 1] then return { found } end
  end,
  ["?exists"] = function(key)
    if redis.call("EXISTS", key) == 0 then return { false } end
  end,
  ["?absent"] = function(key)
    if redis.call("EXISTS", key) == 1 then return { "true" } end
  end,
  ["?free"] = function(key, from)  -- args: name, owner that may have it already
    local owner = redis.call("HGET", key, ARGV[from])
    if owner and owner ~= ARGV[from + 1] then return { owner } end
  end,
}

if ARGV[2] == "1" then
  -- The answer to the first try was lost with its connection. Had it been done, its id would be among the changes since.
  for _, entry in ipairs(redis.call("XRANGE", KEYS[2], ARGV[5], "+")) do
    if entry[2][2] == ARGV[1] then return { 0, tonumber(string.match(entry[1], "^(%d+)")) } end
  end
end

local at, number = 6, 0
while at <= #ARGV do
  local name, key, count = ARGV[at], KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 2])
  local from = at + 3
  number = number + 1
  if conditions[name] then
    local failure = conditions[name](key, from, count)
    if failure then return { 1, number, failure[1] } end
  elseif writes[name] then
    writes[name](key, from)
  else
    redis.call(name, key, unpack(ARGV, from, from + count - 1))
  end
  at = from + count
end

if ARGV[3] == "" then return { 0, 0 } end
local change = redis.call("INCR", KEYS[1])
redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[4], change .. "-0", "t", ARGV[1], "c", ARGV[3])
return { 0, change }
